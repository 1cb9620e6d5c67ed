"""A user's own labelled files as a task."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydistill.data.tasks.examples import Split, Table, Target, check_for_scores, infer_target, to_split
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.data.tasks.tables import PLAIN, Columns, Dialect, read_table
from tinydistill.errors import UserError


@dataclass(frozen=True)
class TaskFiles(TaskSource):
    """A user's own tables: CSV, TSV, JSON lines or Parquet by their names' endings, plain or packed.

    `labels` and `regression`, unless given, follow from the training file. Without a validation file,
    `validation_fraction` of the training rows become one: of every class those whose texts have the smallest hashes
    with `split_seed`, so that which ones depends on no order and copies of a text stay together.
    """

    train_file: Path | None
    columns: Columns
    validation_file: Path | None = None
    test_file: Path | None = None
    labels: tuple[str, ...] = ()
    regression: bool | None = None
    validation_fraction: float = 0.1
    split_seed: int = 0
    dialect: Dialect = PLAIN

    @cached_property
    def target(self) -> Target:
        """As given, or as the training file shows."""
        if self.labels and self.regression:
            raise UserError("task.labels and task.regression=true exclude each other: a regression predicts a number")
        if self.labels or self.regression:
            return Target(self.labels)
        return infer_target(self._training_table, self._label, self.regression)

    def train(self) -> Split:
        """The training file, less what is cut off for validation."""
        table = self._training_table
        if self.validation_file is None:
            table = table.take(np.flatnonzero(~self._cut_off))
        return to_split("train", table, self.target, label=self._label)

    def validation(self) -> dict[str, Split]:
        """The validation file, or the part of the training file."""
        if self.validation_file is not None:
            table = read_table(self.validation_file, self.columns, option="task.validation", dialect=self.dialect)
            mend = "set task.validation to another file, or to null to cut it off the training file"
        else:
            table = self._training_table.take(np.flatnonzero(self._cut_off))
            mend = "set task.validation=FILE, or raise task.validation_fraction"
        split = to_split("validation", table, self.target, label=self._label)
        return {"validation": check_for_scores(split, table.source, mend)}

    def test(self) -> dict[str, Split]:
        """The test file, with labels if it has their column."""
        if self.test_file is None:
            return {}
        options: dict[str, Any] = {"label_needed": False, "dialect": self.dialect}
        table = read_table(self.test_file, self.columns, option="task.test", **options)
        return {"test": to_split("test", table, self.target, label=self._label if table.labels else None)}

    @property
    def _label(self) -> str:
        if self.columns.label is None:
            raise UserError("task=files needs the label's column: set task.label=COLUMN")
        return self.columns.label

    @cached_property
    def _training_table(self) -> Table:
        if self.train_file is None:
            raise UserError("task=files needs rows to train on: set task.train=FILE")
        _ = self._label
        columns = [column for _, column in self.columns.roles()]
        twice = next((column for column in columns if columns.count(column) > 1), None)
        if twice is not None:
            raise UserError(f"the column '{twice}' has two roles: task.text, task.text_pair and task.label must differ")
        table = read_table(self.train_file, self.columns, option="task.train", dialect=self.dialect)
        if not len(table):
            raise UserError(f"{table.source} has no rows")
        return table

    @cached_property
    def _cut_off(self) -> NDArray[np.bool_]:
        if not 0 < self.validation_fraction < 1:
            raise UserError(f"task.validation_fraction={self.validation_fraction} must lie between 0 and 1")
        table = self._training_table
        classes = self.target.encode(table, self._label)
        if self.target.regression:
            classes = np.zeros(len(table), np.int64)
        return cut_off(table, classes, self.validation_fraction, self.split_seed)


def cut_off(table: Table, classes: NDArray[np.int64], fraction: float, seed: int) -> NDArray[np.bool_]:
    """Which rows [N] are kept out of training: of every class about `fraction`, those with the smallest hashes.

    A class that has two different texts or more has one on either side. Rows with the same text are on one side.
    """
    pairs = table.pairs or [""] * len(table)
    keys = [_hash(f"{seed}\0{text}\0{pair}") for text, pair in zip(table.texts, pairs, strict=True)]
    chosen: set[int] = set()
    for number in np.unique(classes):
        counts = Counter(keys[row] for row in np.flatnonzero(classes == number))
        wanted, taken = max(1, round(fraction * counts.total())), 0
        for key in sorted(counts)[:-1]:
            if taken >= wanted:
                break
            chosen.add(key)
            taken += counts[key]
    return np.array([key in chosen for key in keys])


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
