"""What a model predicts as files: for people, and in the format of the GLUE server.

N: rows of a split, C: outputs of the prediction layer.
"""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor

from tinydistill.artifacts.files import read_json
from tinydistill.data.tasks.examples import Split
from tinydistill.ranks import rank


def write_predictions(file: Path, split: Split, logits_NC: Tensor, labels: Sequence[str]) -> None:
    """One line a row: its number, its label (empty where unknown), the prediction, and every class's probability."""
    known: Any = "" if split.labels is None else split.labels
    if labels and split.labels is not None:
        known = [labels[number] for number in split.labels]
    lines = pd.DataFrame({"row": range(len(split)), "label": known, "prediction": _predicted(logits_NC, labels)})
    if labels:
        lines[[f"p({label})" for label in labels]] = logits_NC.float().softmax(-1).numpy()
    _write(file, lines.set_index("row"), "%.6f" if labels else "%.6g")


def write_submission(file: Path, logits_NC: Tensor, labels: Sequence[str]) -> None:
    """The official format: index and prediction, classes by the names that the server takes, or a number."""
    _write(file, pd.DataFrame({"prediction": _predicted(logits_NC, labels)}).rename_axis("index"), "%.3f")


def _predicted(logits_NC: Tensor, labels: Sequence[str]) -> list[Any]:
    """Labels, or numbers where there are none."""
    return [labels[number] for number in logits_NC.argmax(-1)] if labels else logits_NC[:, 0].tolist()


def _write(file: Path, lines: pd.DataFrame, form: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    lines.to_csv(file, sep="\t", float_format=form, na_rep="nan", lineterminator="\n")


def family(path: str) -> str:
    """What the models of several tasks have in common: the name without its last word, which is the task's."""
    place = Path(path)
    return "-".join([place.parent.name, place.name.rpartition("_")[0] or place.name])


def zip_family(evaluation: Path, name: str, files: Sequence[str]) -> tuple[Path | None, list[str]]:
    """Zips the submission files of a family from the evaluations beside this one; the files that are still missing."""
    found: dict[str, Path] = {}
    for directory in sorted(evaluation.parent.iterdir()):
        if not directory.name.startswith(".") and (directory / "submission").is_dir():
            result = directory / "result.json"
            if result.is_file() and read_json(result)["family"] == name:
                found |= {file.name: file for file in (directory / "submission").iterdir()}
    missing = [file for file in files if file not in found]
    if missing:
        return None, missing
    target = evaluation.parent / f"{name}_glue.zip"
    if rank() == 0:
        partial = target.with_name(f".{target.name}.partial")
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in files:
                archive.write(found[file], file)
        partial.replace(target)
    return target, []
