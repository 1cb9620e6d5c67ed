"""Labels of rows that have more than one each, and not all as many."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Ragged:
    """Values [P, ...] of N rows end to end: those of row i are values[offsets[i]:offsets[i + 1]]; offsets [N + 1]."""

    values: NDArray[Any]
    offsets: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Iterable[NDArray[Any]]) -> "Ragged":
        """The rows' values, of which there is one row at least."""
        listed = list(rows)
        return cls(np.concatenate(listed), np.cumsum([0, *map(len, listed)], dtype=np.int64))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def row(self, number: int) -> NDArray[Any]:
        """The values of one row."""
        return self.values[self.offsets[number] : self.offsets[number + 1]]

    def __getitem__(self, rows: NDArray[np.int64]) -> "Ragged":
        lengths = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        places = np.repeat(self.offsets[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Ragged(self.values[places], offsets)

    def tobytes(self) -> bytes:
        """What a hash is made of."""
        return self.offsets.tobytes() + self.values.tobytes()
