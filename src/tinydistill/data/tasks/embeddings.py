"""The target of sentence embeddings, and judgments of texts: how alike two are, which document answers a query.

N: texts of a split, P: pairs of them.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tinydistill.data.tasks.examples import Judgments
from tinydistill.data.tasks.targets import Target

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Embedding(Target):
    """A vector for every text. Rows have no labels: what is learned are the teacher's vectors.

    The labels of a split are `Judgments` that its embeddings are scored by, or the teacher's embeddings, or none.
    """

    labeled: ClassVar[bool] = False

    @property
    def regression(self) -> bool:
        """A vector is no number."""
        return False

    def in_batches(self, labels: Any, rows: Any) -> None:
        """Batches hold no labels."""
        return


@dataclass(frozen=True)
class _OfPairs(Judgments, ABC):
    """Judgments of pairs of texts: `first` and `second` [P] are their rows among the N texts of the split."""

    texts: int
    first: Rows
    second: Rows

    def __len__(self) -> int:
        return self.texts

    def _kept(self, rows: Rows) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The new number [N] of every text, -1 for those that are left out, and the pairs that are left whole."""
        places = np.full(self.texts, -1, np.int64)
        places[rows] = np.arange(len(rows))
        return places, np.flatnonzero((places[self.first] >= 0) & (places[self.second] >= 0))

    def few(self, count: int) -> Rows:
        """The rows of about so many texts at most, whose pairs stay whole."""
        chosen: dict[int, None] = {}
        for pair in np.random.default_rng(0).permutation(len(self.first)):
            both = dict.fromkeys([int(self.first[pair]), int(self.second[pair])])
            if len(chosen | both) > count:
                break
            chosen |= both
        return np.array(sorted(chosen), np.int64)

    @abstractmethod
    def __getitem__(self, rows: Rows) -> "_OfPairs": ...


@dataclass(frozen=True)
class Similarities(_OfPairs):
    """How alike the texts of every pair are, `scores` [P], in any unit."""

    scores: NDArray[np.float64]

    @property
    def uniform(self) -> bool:
        """Whether all pairs have the same score."""
        return len(np.unique(self.scores)) < 2

    def __getitem__(self, rows: Rows) -> "Similarities":
        places, pairs = self._kept(rows)
        return Similarities(len(rows), places[self.first[pairs]], places[self.second[pairs]], self.scores[pairs])

    def tobytes(self) -> bytes:
        """What a hash is made of."""
        return b"similarities" + self.first.tobytes() + self.second.tobytes() + self.scores.tobytes()


@dataclass(frozen=True)
class Relevances(_OfPairs):
    """Which documents (`second`) are relevant to which queries (`first`); all texts but queries are documents.

    `queries` [Q] and `documents` [D] are their rows, every query with a relevant document at least; `names` [N] are
    what the files call them.
    """

    queries: Rows
    documents: Rows
    names: tuple[str, ...]

    @property
    def uniform(self) -> bool:
        """Whether there is nothing to choose from."""
        return len(self.documents) < 2

    def __getitem__(self, rows: Rows) -> "Relevances":
        places, pairs = self._kept(rows)
        first, second = places[self.first[pairs]], places[self.second[pairs]]
        documents = places[self.documents]
        names = tuple(self.names[row] for row in rows.tolist())
        return Relevances(len(rows), first, second, np.unique(first), documents[documents >= 0], names)

    def tobytes(self) -> bytes:
        """What a hash is made of."""
        return b"relevances" + self.first.tobytes() + self.second.tobytes() + repr(self.names).encode()
