"""A task source: JSON lines with the fields `text` and `label`, which is no or yes."""

import pandas as pd

from tinydistill import Split, Target, TaskSource


class JsonlTask(TaskSource):
    """Two files: training rows and validation rows."""

    target = Target(("no", "yes"))

    def __init__(self, train: str, validation: str):
        self.files = {"train": train, "validation": validation}

    def train(self):
        return self._split("train")

    def validation(self):
        return {"validation": self._split("validation")}

    def _split(self, name):
        rows = pd.read_json(self.files[name], lines=True, dtype=False)
        return Split(name, rows["text"].tolist(), labels=(rows["label"] == "yes").to_numpy("int64"))
