"""A user's own rows as a task: a part of the training rows for validation, where no others are given."""

import copy
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tinydistill.data.tasks.examples import Split, check_for_scores, to_split
from tinydistill.data.tasks.sources import TaskSource, smallest_hashes
from tinydistill.data.tasks.table import Table
from tinydistill.data.tasks.targets import Target
from tinydistill.errors import InputError


class OwnRows(TaskSource):
    """Rows in up to three tables. A subclass reads one of them, and has the `target`.

    Args:
        rows: train, validation and test, each None where there is none.
        label: the column of the labels, for messages.
        labels: all that may be predicted; unless given, they follow from the training rows.
        validation_fraction: of every class the rows whose texts have the smallest hashes with `split_seed`, so that
            which ones depends on no order and copies of a text stay together.
        split_seed: another one, other validation rows.
    """

    def __init__(
        self,
        rows: dict[str, Any],
        label: str,
        *,
        labels: Sequence[Any] | None = None,
        validation_fraction: float = 0.1,
        split_seed: int = 0,
    ):
        self.rows, self.label, self.labels = rows, label, tuple(labels or ())
        self.validation_fraction, self.split_seed = validation_fraction, split_seed

    @abstractmethod
    def table(self, name: str, *, label_needed: bool = True) -> Table:
        """One of the tables, with labels if there are any or they are needed."""

    def target_named(self, labels: tuple[str, ...]) -> Target:
        """The target of a model whose outputs have these names (none for a number), where no rows tell it."""
        return Target(labels)

    def predicting(self, target: Target) -> Self:
        """The same rows with a known target, so that no training rows are needed to infer it."""
        found = copy.copy(self)
        found.__dict__["target"] = target  # where the cached property would put it
        return found

    def predicted(self, name: str) -> bool:
        """Whether there are files of predictions of these rows, so that all columns are kept for them."""
        return name != "train" or self.rows["validation"] is None

    def train(self) -> Split:
        """The training rows, less what is cut off for validation."""
        return self._training if self.rows["validation"] is not None else self._training.take(self._sides[0])

    def validation(self) -> dict[str, Split]:
        """The validation rows, or a part of the training rows."""
        if self.rows["validation"] is None and self.rows["train"] is None:
            raise InputError("there are no rows to score", "set {TaskFiles.validation} to a file of labeled rows")
        if self.rows["validation"] is not None:
            table = self.table("validation")
            source, split = table.source, self.split("validation", table)
            advice = "set {TaskFiles.validation} to another file, or to null to cut it off the training file"
        else:
            split = replace(self._training.take(self._sides[1]), name="validation")
            advice = "set {TaskFiles.validation} to a file, or raise {TaskFiles.validation_fraction}"
            if not len(split):
                why = "all have one context" if split.by_pair else "no label has two different texts"
                raise InputError(
                    f"{self.training_table.source}: of its {len(self._training)} rows none can be cut off for "
                    f"validation, as {why}",
                    "set {TaskFiles.validation} to a file, or name the column of the labels with {TaskFiles.label}",
                )
            source = f"{self.training_table.source}, the rows that are cut off for validation"
        return {"validation": check_for_scores(split, source, advice)}

    def test(self) -> dict[str, Split]:
        """The test rows, with labels if they have any."""
        if self.rows["test"] is None:
            return {}
        table = self.table("test", label_needed=False)
        return {"test": self.split("test", table)}

    def split(self, name: str, table: Table) -> Split:
        """A table as a split, with labels if it has any."""
        return to_split(name, table, self.target, label=self.label if table.labeled or name != "test" else None)

    @cached_property
    def training_table(self) -> Table:
        """The training rows as they were read."""
        if self.rows["train"] is None:
            raise InputError("there are no rows to train on", "set {TaskFiles.train} to a file")
        table = self.table("train")
        if not len(table):
            raise InputError(f"{table.source} has no rows")
        return table

    @cached_property
    def _training(self) -> Split:
        return self.split("train", self.training_table)

    @cached_property
    def _sides(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The rows for training and for validation where one file holds both."""
        if not 0 < self.validation_fraction < 1:
            message = f"validation_fraction={self.validation_fraction} doesn't lie between 0 and 1"
            raise InputError(message, "set {TaskFiles.validation_fraction} to 0.1, say")
        cut_off = smallest_hashes(self._training, self.validation_fraction, self.split_seed)
        return np.flatnonzero(~cut_off), np.flatnonzero(cut_off)
