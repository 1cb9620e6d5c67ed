"""Which classes are taken for which: what one score of all rows doesn't show.

N: rows, C: classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Confusion:
    """How many rows of each class (first axis) were taken for each class (second axis), `counts` [C, C]."""

    names: tuple[str, ...]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, names: Sequence[str], labels: NDArray[Any], answers: NDArray[Any]) -> "Confusion":
        """Counts of labels [N] and answers [N], numbers of the named classes."""
        counts = np.zeros((len(names), len(names)), np.int64)
        np.add.at(counts, (labels, answers), 1)
        return cls(tuple(names), counts)

    @classmethod
    def read(cls, found: dict[str, Any]) -> "Confusion":
        """What `as_json` has written."""
        return cls(tuple(found["names"]), np.array(found["counts"], np.int64))

    def as_json(self) -> dict[str, Any]:
        """Names and counts as they stand in a result."""
        return {"names": list(self.names), "counts": self.counts.tolist()}

    @property
    def rows(self) -> NDArray[np.int64]:
        """The rows [C] of each class."""
        found: NDArray[np.int64] = self.counts.sum(1)
        return found

    @property
    def recall(self) -> NDArray[np.float64]:
        """The share [C] of the rows of each class that were taken for it; nan for a class without rows."""
        return _share(self.counts.diagonal(), self.rows)

    @property
    def precision(self) -> NDArray[np.float64]:
        """The share [C] of the rows taken for each class that are of it; nan for a class that is never predicted."""
        return _share(self.counts.diagonal(), self.counts.sum(0))

    @property
    def macro_f1(self) -> float:
        """The mean over the classes that have rows of F1, 2 right / (rows of it + rows taken for it)."""
        twice, both = 2 * self.counts.diagonal(), self.rows + self.counts.sum(0)
        return float(_share(twice, both)[self.rows > 0].mean())

    @property
    def never(self) -> list[str]:
        """The classes that have rows and are never predicted."""
        return [
            name for name, rows, said in zip(self.names, self.rows, self.counts.sum(0), strict=True) if rows > said == 0
        ]

    def warning(self) -> str | None:
        """A line that names the classes that are never predicted, with their rows."""
        if not self.never:
            return None
        rows = dict(zip(self.names, self.rows.tolist(), strict=True))
        return f"never predicts {', '.join(f'{name} ({rows[name]:,} rows)' for name in self.never)}"


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
