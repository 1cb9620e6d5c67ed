"""A task of one's own, and tasks made from nodes of a configuration."""

from pathlib import Path
from typing import Any

import numpy as np
from hydra.utils import instantiate
from omegaconf import OmegaConf

from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.data.tasks.targets import Target


class Parity(TaskSource):
    """All that a task of one's own needs."""

    def __init__(self, labels: list[str]):
        self.labels = labels

    @property
    def target(self) -> Target:
        return Target(self.labels)

    def train(self) -> Split:
        return Split("train", ["one", "two"], labels=np.array([1, 0]))

    def validation(self) -> dict[str, Split]:
        return {"validation": Split("validation", ["three", "four"], labels=np.array([1, 0]))}


def make(target: str, **options: Any) -> Any:
    return instantiate(OmegaConf.create({"_target_": target, **options}))


def test_a_task_of_ones_own_needs_three_things() -> None:
    task = make(f"{__name__}.Parity", labels=["even", "odd"])
    assert task.target == Target(("even", "odd"))
    assert task.test() == {}
    assert task.identity() == Parity(["even", "odd"]).identity() != Parity(["odd", "even"]).identity()


def test_files_are_a_task_from_a_node(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\na,1\nb,0\nc,1\nd,0\n")
    options = {"train": str(tmp_path / "a.csv"), "labels": [0, 1], "validation_fraction": 0.5}
    source = make("tinydistill.data.tasks.files.TaskFiles", **options)
    assert source.target.labels == ("0", "1")
    assert len(source.train()) == len(source.validation()["validation"]) == 2
