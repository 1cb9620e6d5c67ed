"""A user's own labeled rows as a task."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydistill.data.tasks.examples import Split, Table, Target, check_for_scores, infer_target, to_split
from tinydistill.data.tasks.sources import TaskSource, smallest_hashes
from tinydistill.data.tasks.tables import Layout, read_table
from tinydistill.errors import InputError


class TaskFiles(TaskSource):
    """A user's own tables: CSV, TSV, JSON lines or Parquet by their names' endings, plain or packed.

    Args:
        train: a file, a pandas DataFrame or a `datasets.Dataset`.
        validation: the same; without it `validation_fraction` of the training rows.
        test: the same; its rows need no labels.
        text: the column of the texts.
        text_pair: the column of the second texts, where there are two.
        label: the column of the labels.
        labels: the classes in their order; unless given, they follow from the training rows.
        regression: whether a number is predicted; None where the training rows are to decide.
        validation_fraction: of every class the rows whose texts have the smallest hashes with `split_seed`, so that
            which ones depends on no order and copies of a text stay together.
        split_seed: another one, other validation rows.
        encoding: of text files.
        quoting: whether quotes delimit cells; None for yes in CSV, no in TSV.
        delimiter: what separates cells: comma, semicolon, tab or pipe; None finds it out.
    """

    def __init__(
        self,
        train: Any = None,
        validation: Any = None,
        test: Any = None,
        *,
        text: str = "text",
        text_pair: str | None = None,
        label: str = "label",
        labels: Sequence[Any] | None = None,
        regression: bool | None = None,
        validation_fraction: float = 0.1,
        split_seed: int = 0,
        encoding: str = "utf-8",
        quoting: bool | None = None,
        delimiter: str | None = None,
    ):
        self.rows = {"train": train, "validation": validation, "test": test}
        dialect: Any = {"encoding": encoding, "quoting": quoting, "delimiter": delimiter, "dialect": "TaskFiles."}
        self.layout, self.label = Layout(text, text_pair, label, "TaskFiles.", **dialect), label
        self.labels, self.regression = tuple(labels or ()), regression
        self.validation_fraction, self.split_seed = validation_fraction, split_seed

    @cached_property
    def target(self) -> Target:
        """As given, or as the training rows show."""
        if self.labels and self.regression:
            message = "labels are given, and regression=true, which predicts a number"
            raise InputError(message, "leave out {TaskFiles.labels} or {TaskFiles.regression}")
        if self.labels or self.regression:
            return Target(self.labels)
        return infer_target(self._training_table, self.label, self.regression)

    def train(self) -> Split:
        """The training rows, less what is cut off for validation."""
        return self._training if self.rows["validation"] is not None else self._training.take(self._sides[0])

    def validation(self) -> dict[str, Split]:
        """The validation rows, or a part of the training rows."""
        if self.rows["validation"] is not None:
            table = self._table("validation")
            source, split = table.source, to_split("validation", table, self.target, label=self.label)
            advice = "set {TaskFiles.validation} to another file, or to null to cut it off the training file"
        else:
            split = replace(self._training.take(self._sides[1]), name="validation")
            advice = "set {TaskFiles.validation} to a file, or raise {TaskFiles.validation_fraction}"
            if not len(split):
                raise InputError(
                    f"{self._training_table.source}: of its {len(self._training)} rows none can be cut off for "
                    "validation, as no label has two different texts",
                    "set {TaskFiles.validation} to a file, or name the column of the labels with {TaskFiles.label}",
                )
            source = f"{self._training_table.source}, the rows that are cut off for validation"
        return {"validation": check_for_scores(split, source, advice)}

    def test(self) -> dict[str, Split]:
        """The test rows, with labels if they have any."""
        if self.rows["test"] is None:
            return {}
        table = self._table("test", label_needed=False)
        return {"test": to_split("test", table, self.target, label=self.label if table.labeled else None)}

    @cached_property
    def _training_table(self) -> Table:
        if self.rows["train"] is None:
            raise InputError("there are no rows to train on", "set {TaskFiles.train} to a file")
        if self.label is None:
            raise InputError("the rows need a column of labels", "set {TaskFiles.label} to its name")
        columns = [column for _, column in self.layout.roles()]
        twice = next((column for column in columns if columns.count(column) > 1), None)
        if twice is not None:
            advice = "{TaskFiles.text}, {TaskFiles.text_pair} and {TaskFiles.label} must differ"
            raise InputError(f"the column '{twice}' has two roles", advice)
        table = self._table("train")
        if not len(table):
            raise InputError(f"{table.source} has no rows")
        return table

    def _table(self, name: str, *, label_needed: bool = True) -> Table:
        argument = f"{{TaskFiles.{name}}}"
        return read_table(self.rows[name], self.layout, argument=argument, name=name, label_needed=label_needed)

    @cached_property
    def _training(self) -> Split:
        return to_split("train", self._training_table, self.target, label=self.label)

    @cached_property
    def _sides(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The rows for training and for validation where one file holds both."""
        if not 0 < self.validation_fraction < 1:
            message = f"validation_fraction={self.validation_fraction} doesn't lie between 0 and 1"
            raise InputError(message, "set {TaskFiles.validation_fraction} to 0.1, say")
        cut_off = smallest_hashes(self._training, self.validation_fraction, self.split_seed)
        return np.flatnonzero(~cut_off), np.flatnonzero(cut_off)
