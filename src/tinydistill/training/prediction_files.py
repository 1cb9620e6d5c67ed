"""What a model predicts as files: for people, for comparisons by row, and in the format of the GLUE server.

N: rows of a split, C: outputs of the prediction layer.
"""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tinydistill.artifacts.files import written
from tinydistill.artifacts.provenance import record_of
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.tasks.encoding import EncodedRows
from tinydistill.data.tasks.examples import Split
from tinydistill.errors import InputError
from tinydistill.escaping import for_spreadsheet, spreadsheet_cell
from tinydistill.kinds.base import Logits, TaskKind
from tinydistill.kinds.confusion import Confusion
from tinydistill.ranks import rank
from tinydistill.training.classifier import Scoring

PREDICTIONS = "predictions"  # the directory of an artifact that they are in
PLACES = {"line": "line", "row": "file_row"}  # columns with a row's place in its file, by what that counts


@dataclass(frozen=True)
class Predictions:
    """What a model predicts of labeled rows: numbers of one of the named classes, or real numbers where there are none.

    Of kinds that are scored by what they count, `counts` [N, K] of these `names`, and labels and predictions in words.
    """

    rows: NDArray[np.int64]  # [N], rising
    labels: NDArray[Any]  # [N]
    predictions: NDArray[Any]  # [N]
    class_names: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    counts: NDArray[np.float64] | None = None

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)

    @property
    def confusion(self) -> Confusion | None:
        """Which classes are taken for which; None where there are none."""
        return Confusion.of(self.class_names, self.labels, self.predictions) if self.class_names else None

    def same_rows(self, other: "Predictions") -> bool:
        """Whether both are of the same rows with the same labels."""
        return np.array_equal(self.rows, other.rows) and np.array_equal(self.labels, other.labels)

    def alike(self, other: "Predictions") -> float:
        """The share of the same rows with the same answer; of numbers the correlation, nan where that isn't defined."""
        if self.class_names or self.counts is not None:
            return float((self.predictions == other.predictions).mean())
        return float(pd.Series(self.predictions).corr(pd.Series(other.predictions)))


def prediction_file(artifact: Path, split: str, of: str = "") -> Path:
    """Where an artifact keeps what its model predicts of a split.

    Or, in the same format, `of` another: `teacher`, or `start`, the student before its first step.
    """
    return artifact / PREDICTIONS / of / f"{split}.tsv"


def write_predictions(
    file: Path,
    split: Split,
    kind: TaskKind,
    logits: Logits,
    encoded: EncodedRows | None = None,
    *,
    rows: NDArray[np.int64] | None = None,
) -> None:
    """One line a row, or whatever its kind scores: its number, label (empty where unknown), prediction, and the rest.

    Behind what the kind has of a row stand its place in its file, its texts and the file's other columns. `encoded` has
    their tokens, which a kind with outputs for every token needs. Of other kinds `rows` are the numbers [N] of those
    that there are logits of, where these aren't all.
    """
    if rows is not None and not kind.per_token:
        split = split.take(rows)
    answers = kind.answers(split, logits, encoded)
    columns = dict(kind.lines(split, answers, logits))
    count = len(columns["label"])
    if count == len(split):
        columns |= _of_file(split, {"row", *columns})
    every = range(count) if rows is None or kind.per_token or count != len(rows) else rows
    lines = pd.DataFrame({name: map(spreadsheet_cell, values) for name, values in columns.items()}, index=every)
    shares = any(name.startswith("p(") for name in columns)
    _write(file, lines.rename_axis("row"), "%.6f" if shares else "%.9g")  # all digits of fp32


def _of_file(split: Split, taken: set[str]) -> dict[str, Sequence[str]]:
    """Where a split's rows stand in their file, and all that it says of them; a name that is taken is told apart."""
    file = split.file
    found: dict[str, Sequence[Any]] = {"text": split.texts}
    if split.pairs is not None:
        found["text_pair"] = split.pairs
    if file is not None:
        places = {name: file.places for unit, name in PLACES.items() if unit == file.unit}
        found = {**places, **(file.columns or found)}

    def name(column: str) -> str:
        return f"file: {column}" if column in taken or column.startswith(("p(", "n(")) else column

    return {for_spreadsheet(name(column)): list(map(_word, cells)) for column, cells in found.items()}


def _word(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(_word, value))
    return "" if value is None else str(value)


def write_validated(
    artifact: Path,
    scoring: Scoring,
    validated: Mapping[str, tuple[NDArray[np.int64], Logits]],
    data: TaskDataModule,
    of: str = "",
) -> None:
    """The predictions by row of every split that was validated, as `Classifier.validated` has them."""
    for name, (rows, logits) in validated.items():
        split = scoring.splits[name]
        encoded = data.encoded(split)
        write_predictions(prediction_file(artifact, name, of), split, scoring.kind, logits, encoded, rows=rows)


def read_predictions(file: Path) -> Predictions | None:
    """What `write_predictions` wrote; None where there is no such file, or its rows have no labels.

    Raises InputError for a file that has been damaged.
    """
    if not file.is_file():
        return None
    try:
        lines = pd.read_csv(file, sep="\t", dtype=str, keep_default_na=False)
        classes = [name[2:-1] for name in lines if name.startswith("p(")]
        if counted := [name for name in lines if name.startswith("n(")]:
            words, counts = lines[["label", "prediction"]].to_numpy(str), lines[counted].to_numpy(np.float64)
            names = tuple(name[2:-1] for name in counted)
            return Predictions(lines["row"].to_numpy(np.int64), words[:, 0], words[:, 1], (), names, counts)
        if not len(lines) or not lines["label"].str.len().all():
            return None
        rows, found = lines["row"].to_numpy(np.int64), lines[["label", "prediction"]]
        numbers = found.map({name: number for number, name in enumerate(classes)}.__getitem__ if classes else float)
    except (KeyError, ValueError) as error:
        raise InputError(
            f"{file} holds no predictions of tinydistill ({error!r})", "make the artifact again"
        ) from error
    return Predictions(rows, numbers["label"].to_numpy(), numbers["prediction"].to_numpy(), tuple(classes))


def write_submission(file: Path, answers: NDArray[Any], labels: Sequence[str]) -> None:
    """The official format: index and prediction, classes by the names that the server takes, or a number."""
    said = [labels[number] for number in answers] if labels else answers.tolist()
    _write(file, pd.DataFrame({"prediction": said}).rename_axis("index"), "%.3f")


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
            made = record_of(directory)
            if made is not None and made.result["family"] == name:
                found |= {file.name: file for file in (directory / "submission").iterdir()}
    missing = [file for file in files if file not in found]
    if missing:
        return None, missing
    target = evaluation.parent / f"{name}_glue.zip"
    if rank() == 0:
        with written(target) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in files:
                archive.write(found[file], file)
    return target, []
