"""A user's own labeled rows as a task."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.layout import Layout
from tinydistill.data.tasks.own_rows import OwnRows
from tinydistill.data.tasks.soft_labels import probabilities
from tinydistill.data.tasks.sources import UNLABELED
from tinydistill.data.tasks.table import Table
from tinydistill.data.tasks.tables import read_table, read_tables
from tinydistill.data.tasks.targets import Target, infer_target
from tinydistill.errors import InputError


class TaskFiles(OwnRows):
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
        soft_labels: columns of probabilities that stand for a teacher's: one a class in their order, or a single one
            with a list, or an object by label, in every cell. The labels of the rows are then the likeliest classes
            unless the column `label` is there; without `labels` the columns' names are the classes.
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
        soft_labels: Sequence[str] = (),
        encoding: str = "utf-8",
        quoting: bool | None = None,
        delimiter: str | None = None,
    ):
        rows = {"train": train, "validation": validation, "test": test}
        cut: Any = {"validation_fraction": validation_fraction, "split_seed": split_seed}
        super().__init__(rows, label, labels=labels, **cut)
        dialect: Any = {"encoding": encoding, "quoting": quoting, "delimiter": delimiter, "dialect": "TaskFiles."}
        self.soft_labels, self.regression = tuple(soft_labels), regression
        self.layout = Layout(text, text_pair, label, "TaskFiles.", **dialect, others=self.soft_labels)

    @cached_property
    def target(self) -> Target:
        """As given, or as the training rows show."""
        if self.labels and self.regression:
            message = "labels are given, and regression=true, which predicts a number"
            raise InputError(message, "leave out {TaskFiles.labels} or {TaskFiles.regression}")
        if self.soft_labels:
            return Target(self._classes())
        if self.labels or self.regression:
            return Target(self.labels)
        return infer_target(self.training_table, self.label, self.regression)

    def table(self, name: str, *, label_needed: bool = True) -> Table:
        """A file, or a table in memory."""
        if self.label is None:
            raise InputError("the rows need a column of labels", "set {TaskFiles.label} to its name")
        columns = [column for _, column in self.layout.roles()]
        twice = next((column for column in columns if columns.count(column) > 1), None)
        if twice is not None:
            advice = "{TaskFiles.text}, {TaskFiles.text_pair} and {TaskFiles.label} must differ"
            raise InputError(f"the column '{twice}' has two roles", advice)
        argument = f"{{TaskFiles.{name}}}"
        needed, layout = label_needed and not self.soft_labels, replace(self.layout, keep=self.predicted(name))
        return read_table(self.rows[name], layout, argument=argument, name=name, label_needed=needed)

    def split(self, name: str, table: Table) -> Split:
        """A table as a split, with soft labels if it has any."""
        if not self.soft_labels:
            return super().split(name, table)
        soft = probabilities(table, self.target, self.soft_labels)
        if table.labels is None:
            table.labels = [self.target.labels[number] for number in soft.argmax(1)]
        return replace(super().split(name, table), soft=soft)

    def tables(self, file: str, at_once: int | None = None, *, argument: str = UNLABELED) -> Iterator[Table]:
        """Rows of another file with the same columns, of which those of labels may be missing."""
        layout = replace(self.layout, label=None, label_columns=(), others=(), keep=True)
        return read_tables(file, layout, argument=argument, at_once=at_once)

    def _classes(self) -> tuple[str, ...]:
        """As given; or the names of the columns of probabilities, less what they have in common: p(spam) is spam."""
        if self.labels:
            return self.labels
        first = next(iter(self.training_table.others), [None])[0] if len(self.soft_labels) == 1 else None
        if isinstance(first, dict):
            return tuple(first)
        if len(self.soft_labels) == 1:
            advice = "set {Target.labels} to the classes in their order"
            raise InputError(f"the column '{self.soft_labels[0]}' holds probabilities without names", advice)
        return tuple(re.sub(r"^p\((.*)\)$", r"\1", name) for name in self.soft_labels)
