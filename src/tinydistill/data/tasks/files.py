"""A user's own labeled rows as a task."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from tinydistill.data.tasks.examples import Table, Target, infer_target
from tinydistill.data.tasks.own_rows import OwnRows
from tinydistill.data.tasks.tables import Layout, read_table
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
        rows = {"train": train, "validation": validation, "test": test}
        cut: Any = {"validation_fraction": validation_fraction, "split_seed": split_seed}
        super().__init__(rows, label, labels=labels, **cut)
        dialect: Any = {"encoding": encoding, "quoting": quoting, "delimiter": delimiter, "dialect": "TaskFiles."}
        self.layout, self.regression = Layout(text, text_pair, label, "TaskFiles.", **dialect), regression

    @cached_property
    def target(self) -> Target:
        """As given, or as the training rows show."""
        if self.labels and self.regression:
            message = "labels are given, and regression=true, which predicts a number"
            raise InputError(message, "leave out {TaskFiles.labels} or {TaskFiles.regression}")
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
        return read_table(self.rows[name], self.layout, argument=argument, name=name, label_needed=label_needed)
