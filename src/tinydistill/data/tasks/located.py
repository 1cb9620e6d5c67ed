"""Where in a user's files the rows of a split stand, and what other columns of these files say of them."""

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.files import TaskFiles
from tinydistill.data.tasks.layout import Layout
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.data.tasks.tables import read_table
from tinydistill.errors import InputError


@dataclass(frozen=True)
class Located:
    """The places of rows in their file (lines, or rows: `unit`), and cells of columns by name; empty where unknown."""

    unit: str = "line"
    places: Sequence[Any] = ()
    columns: dict[str, list[str]] = field(default_factory=dict)


def located(source: TaskSource, split: Split, columns: Sequence[str] = (), file: str | None = None) -> Located:
    """The places of a validation split's rows, or of those of a `file` that is laid out as the training rows.

    Rows are found by their texts; of rows with the same text the first in the file come first. Raises InputError where
    columns are asked for and the rows come from no files, or these lack one.
    """
    while not isinstance(source, TaskFiles) and isinstance(inner := getattr(source, "source", None), TaskSource):
        source = inner
    if not isinstance(source, TaskFiles):
        if columns:
            raise InputError(f"the column {columns[0]} is asked for, and the rows come from no file of yours", _ADVICE)
        return Located()
    name = "train" if source.rows["validation"] is None else "validation"
    rows = source.rows[name] if file is None else file
    layout: Layout = replace(source.layout, label=None, others=tuple(columns))
    table = read_table(rows, layout, argument=f"{{TaskFiles.{name}}}", name=name)
    pairs = table.pairs or [""] * len(table)
    found: dict[tuple[str, str], deque[int]] = defaultdict(deque)
    for row, key in enumerate(zip(table.texts, pairs, strict=True)):
        found[key].append(row)
    chosen = []
    for key in zip(split.texts, split.pairs or [""] * len(split), strict=True):
        same = found[key]
        chosen.append(same.popleft() if len(same) > 1 else same[0])
    cells = {name: ["" if (cell := table.others[row][i]) is None else str(cell) for row in chosen] for i, name in
             enumerate(columns)}  # fmt: skip
    return Located(table.unit, [table.places[row] for row in chosen], cells)


_ADVICE = "leave {located.columns} empty, or take rows of a file with {task:files}"
