"""A user's own texts with several labels each: a column with lists of them, or a column of 0 and 1 for each."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from tinydistill.console import say
from tinydistill.data.formats import list_names, shortened
from tinydistill.data.tasks.files import TaskFiles
from tinydistill.data.tasks.layout import DELIMITERS
from tinydistill.data.tasks.lists import as_list, names_of
from tinydistill.data.tasks.several_labels import SeveralLabels
from tinydistill.data.tasks.table import Table
from tinydistill.data.tasks.targets import FIX_ROW, MAX_CLASSES, MAX_LABEL, Target, in_order, label_name, too_long
from tinydistill.errors import InputError

SEPARATORS = {**DELIMITERS, "space": " "}
_YES_OR_NO = {"0": False, "1": True, "false": False, "true": True}


class MultiLabelFiles(TaskFiles):
    """Texts with any number of labels, in the files and tables that TaskFiles reads.

    Args:
        train: a file, a pandas DataFrame or a `datasets.Dataset`.
        validation: the same; without it `validation_fraction` of the training rows.
        test: the same; its rows need no labels.
        text: the column of the texts.
        text_pair: the column of the second texts, where there are two.
        label: the column of the labels: a list in every row, in CSV and TSV a list in JSON's words.
        label_separator: what separates the labels where they are a text and no list: comma, semicolon, tab, pipe, space
            or the characters themselves.
        label_columns: a column for each label, with 0 and 1, in place of the one column.
        labels: the labels in their order; unless given, they follow from the training rows.
        validation_fraction: of the rows with every label, as far as that goes.
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
        label: str = "labels",
        label_separator: str | None = None,
        label_columns: Sequence[str] = (),
        labels: Sequence[Any] | None = None,
        validation_fraction: float = 0.1,
        split_seed: int = 0,
        encoding: str = "utf-8",
        quoting: bool | None = None,
        delimiter: str | None = None,
    ):
        cut: Any = {"validation_fraction": validation_fraction, "split_seed": split_seed}
        dialect: Any = {"encoding": encoding, "quoting": quoting, "delimiter": delimiter}
        columns: Any = {"text": text, "text_pair": text_pair, "label": label}
        super().__init__(train, validation, test, **columns, labels=labels, **cut, **dialect)
        self.layout = replace(self.layout, label_columns=tuple(label_columns), lists=True)
        self.separator = None if label_separator is None else SEPARATORS.get(label_separator, label_separator)
        if self.separator == "":
            raise InputError("nothing can't separate labels", "set {TaskFiles.label_separator} to pipe, say")
        if label_columns and labels:
            message = "labels are given, and label_columns, which name them too"
            raise InputError(message, "leave out {TaskFiles.labels} or {TaskFiles.label_columns}")

    @cached_property
    def target(self) -> Target:
        """The labels, as given or as the training rows have them."""
        rows = self.training_table.labels or []
        counts = Counter(label_name(label) for labels in rows for label in labels)
        given = self.labels or tuple(self.layout.label_columns)
        target = SeveralLabels(given or self._found(counts))
        places = Counter(target.numbers.get(name) for name in counts.elements())
        if without := [label for number, label in enumerate(target.labels) if not places[number]]:
            shown = list_names(without, 10)
            say(f"no row of {self.training_table.source} has the label {shown}: no model can learn it")
        return target

    def target_named(self, labels: tuple[str, ...]) -> Target:
        """Any number of them."""
        return SeveralLabels(labels)

    def _found(self, counts: Counter[str]) -> tuple[str, ...]:
        """The names that occur, in order. Raises InputError where these aren't labels to tell apart."""
        table, names = self.training_table, {name for name in counts if name}
        rows = [[label_name(label) for label in labels] for labels in table.labels or []]
        if (long := max(names, key=len, default="")) and len(long) > MAX_LABEL:
            where = next(table.where(row) for row, labels in enumerate(rows) if long in labels)
            raise too_long(where, long, self.label)
        if len(names) < 2:
            has = f"a label but {''.join(names)!r}" if names else "a label"
            raise InputError(
                f"{table.source}: of {len(table)} rows none has {has} in column '{self.label}'; a task needs two "
                "labels or more",
                "set {TaskFiles.label} to another column",
            )
        if len(names) > MAX_CLASSES:
            raise InputError(
                f"{table.source}: column '{self.label}' holds {len(names)} different labels",
                "set {TaskFiles.label} to another column, or list the labels in {Target.labels}",
            )
        return in_order(names)

    def table(self, name: str, *, label_needed: bool = True) -> Table:
        """A file, or a table in memory, with the list of its labels for every row."""
        table = super().table(name, label_needed=label_needed)
        if table.labels is None:
            return table
        if self.layout.label_columns:
            table.labels = [self._of_columns(table.where(row), cells) for row, cells in enumerate(table.labels)]
            return table
        missing = [row for row, cell in enumerate(table.labels) if cell is None]
        if not label_needed and len(missing) == len(table):
            table.labels = None
            return table
        if missing:
            message = f"{table.where(missing[0])}: there is no list of labels in column '{self.label}'"
            raise InputError(message, "write an empty one for no label, or leave the row out")
        known = names_of(self.rows[name], self.label)
        table.labels = [self._of_cell(table.where(row), cell, known) for row, cell in enumerate(table.labels)]
        return table

    def _of_columns(self, where: str, cells: Sequence[Any]) -> list[str]:
        """The labels whose columns hold 1. Raises InputError for what is neither 0 nor 1."""
        found = []
        for label, cell in zip(self.layout.label_columns, cells, strict=True):
            said = None if isinstance(cell, list | dict) else _YES_OR_NO.get(label_name(cell).lower())
            if said is None:
                held = "holds nothing" if cell is None or cell == "" else f"holds {shortened(cell)}"
                message = f"{where}: column '{label}' {held}, which is neither 0 nor 1"
                raise InputError(message, "fix the row, or leave the column out of {TaskFiles.label_columns}")
            found += [label] if said else []
        return found

    def _of_cell(self, where: str, cell: Any, known: Sequence[str]) -> list[Any]:
        """The labels of a list, of one in JSON's words, or of a text of several; `known` are the names of numbers."""
        if isinstance(cell, str) and self.separator is not None:
            parts = cell.split(self.separator) if cell.strip() else []
            return [part.strip() for part in parts if part.strip() or self.separator != " "]
        if isinstance(cell, str) and cell.strip().startswith("["):
            try:
                cell = json.loads(cell)
            except (ValueError, RecursionError):
                message = f"{where}: column '{self.label}' holds {shortened(cell)}, which is no list in JSON"
                raise InputError(message, FIX_ROW) from None
        advice = "fix the row, or say with {TaskFiles.label_separator} what separates labels in a text"
        labels = as_list(cell, where, self.label, "labels", advice if isinstance(cell, str) else FIX_ROW)
        for label in labels:
            if isinstance(label, list | tuple | dict | set):
                message = f"{where}: the list in column '{self.label}' holds {shortened(label)}, no name or number"
                raise InputError(message, FIX_ROW)
        if len(set(labels)) < len(labels) and set(labels) <= {0, 1}:
            raise InputError(
                f"{where}: column '{self.label}' holds {shortened(labels)}, which seems to have a 0 or 1 for every "
                "label; lists name the labels that a row has",
                "fix the rows, or give every label a column, {TaskFiles.label_columns}",
            )
        return [known[label] if known and type(label) is int and 0 <= label < len(known) else label for label in labels]
