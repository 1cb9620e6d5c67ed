"""Rows as they were read: texts, labels as they stand there, and where each of them is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tinydistill.data.tasks.file_rows import FileRows


@dataclass
class Table:
    """Rows as they stand in a file or data set, with the places to name when something is wrong with one.

    `labels` are raw (text, number or None), and None altogether where there is no such column. `others` [N][K] has what
    other columns hold that were asked for. `skipped` counts the damaged rows that were left out because the task allows
    it. `columns` are those of the file that were kept, by name.
    """

    source: str
    unit: str = "line"  # what `places` count, or identify
    places: list[Any] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    pairs: list[str] | None = None
    labels: list[Any] | None = None
    others: list[list[Any]] = field(default_factory=list)
    skipped: int = 0
    columns: dict[str, list[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.texts)

    def keep(self, cells: Mapping[str, Any]) -> None:
        """Take in what other columns hold of the row that was added last."""
        for name, cell in cells.items():
            column = self.columns.setdefault(name, [])
            column += [None] * (len(self) - 1 - len(column))  # of the rows that lack it
            column.append(cell)

    def file_rows(self) -> FileRows:
        """Where the rows stand, with all that was kept of them."""
        for column in self.columns.values():
            column += [None] * (len(self) - len(column))
        return FileRows(self.unit, self.places, self.columns)

    @property
    def labeled(self) -> bool:
        """Whether any row has a label; the hub's -1 is none."""
        return any(label not in (None, -1) for label in self.labels or ())

    def where(self, row: int) -> str:
        """File and line of a row."""
        return f"{self.source} {self.unit} {self.places[row]}"
