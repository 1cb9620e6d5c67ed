"""What a file says of a task's rows beside texts and labels: where they stand in it, and its other columns.

N: rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

CutRow = tuple[Any, list[Any], dict[str, Any]]
"""Where a row stands, its cells with a role, and the others by name."""


@dataclass(frozen=True)
class FileRows:
    """Rows as they stand in a file.

    Attributes:
        unit: what `places` count: lines or rows; or, as "question", they are names.
        places: where the rows stand, [N].
        columns: the file's by name, those of labels apart, [N] each; None where a row has no such cell.
    """

    unit: str
    places: Sequence[Any]
    columns: dict[str, list[Any]] = field(default_factory=dict)

    def take(self, rows: NDArray[np.int64]) -> "FileRows":
        """The rows with these numbers, in their order."""
        chosen = rows.tolist()
        columns = {name: [cells[row] for row in chosen] for name, cells in self.columns.items()}
        return FileRows(self.unit, [self.places[row] for row in chosen], columns)


class FurtherColumns:
    """Chooses a file's columns behind those that have a role, and collects their cells row by row.

    Args:
        without: names of columns that are left out.
        kept: whether any are wanted.
    """

    def __init__(self, without: Iterable[str] = (), *, kept: bool = True):
        self.without, self.kept = frozenset(without), kept
        self._names: list[str] = []

    def choose(self, names: Sequence[str]) -> list[int]:
        """The places of a header's columns; of several with one name the later ones are called NAME.2 and so on."""
        places = [place for place, name in enumerate(names) if self.kept and name not in self.without]
        seen: list[str] = []
        self._names = []
        for place in places:
            name = str(names[place])
            seen.append(name)
            self._names.append(name if seen.count(name) == 1 else f"{name}.{seen.count(name)}")
        return places

    def cut(self, cells: list[Any]) -> tuple[list[Any], dict[str, Any]]:
        """A row's cells as they were chosen: those with a role, and the others by name."""
        roles = len(cells) - len(self._names)
        return cells[:roles], dict(zip(self._names, cells[roles:], strict=True))

    def cuts(self, rows: Iterable[tuple[Any, list[Any]]]) -> Iterator[CutRow]:
        """Rows with their places, each cut as it is read: the next one of JSON lines may have other columns."""
        return ((place, *self.cut(cells)) for place, cells in rows)
