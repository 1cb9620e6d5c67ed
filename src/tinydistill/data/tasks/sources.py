"""Where the rows of a task come from, and a task with some of its rows: a share of them, or a few for debugging."""

import hashlib
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinydistill.data.tasks.examples import Split, Target


class TaskSource(ABC):
    """The splits of a task and what it predicts.

    Subclass it for your own, which a configuration names as `_target_` and makes from plain arguments.
    A subclass needs `target`, `train` and `validation`. The command line shows an `InputError` that they raise as one
    line.
    """

    @property
    @abstractmethod
    def target(self) -> Target:
        """The classes in their order, or a number."""

    @abstractmethod
    def train(self) -> Split:
        """The training rows, all labeled."""

    @abstractmethod
    def validation(self) -> dict[str, Split]:
        """Labeled splits by name; the first is the one to monitor."""

    def test(self) -> dict[str, Split]:
        """Splits by name, mostly without labels; empty where the task has none."""
        return {}

    def identity(self) -> str:
        """The same for the same training and validation rows, wherever they lie."""
        splits = {"train": self.train(), **self.validation()}
        return hashlib.sha256(repr([self.target, *((n, s.identity()) for n, s in splits.items())]).encode()).hexdigest()


@dataclass(frozen=True)
class SomeRows(TaskSource):
    """Another task with some of its rows, always the same ones, in their order.

    Args:
        source: the other task.
        train_share: of the training rows; of every class about as many, those with the smallest hashes. Which ones
            depends on `seed` and the texts, on no order; a smaller share is a part of a larger one.
        seed: of that share.
        rows: of every split at most so many, after that; a row of every class is among them.
    """

    source: TaskSource
    train_share: float = 1.0
    seed: int = 0
    rows: int | None = None

    @property
    def target(self) -> Target:
        """As of all rows."""
        return self.source.target

    def train(self) -> Split:
        """Some of the training rows."""
        whole = self.source.train()
        if self.train_share < 1:
            whole = whole.take(np.flatnonzero(smallest_hashes(whole, self.train_share, self.seed)))
        return self._few(whole)

    def validation(self) -> dict[str, Split]:
        """Some of the rows of the validation splits."""
        return {name: self._few(split) for name, split in self.source.validation().items()}

    def test(self) -> dict[str, Split]:
        """Some of the rows of the test splits."""
        return {name: self._few(split) for name, split in self.source.test().items()}

    def _few(self, split: Split) -> Split:
        if self.rows is None or self.rows >= len(split):
            return split
        rows = np.random.default_rng(0).permutation(len(split))
        _, firsts = np.unique(split.classes[rows], return_index=True)
        rows = np.concatenate([rows[np.sort(firsts)], np.delete(rows, firsts)])
        return split.take(np.sort(rows[: self.rows]))


def smallest_hashes(split: Split, share: float, seed: int) -> NDArray[np.bool_]:
    """Which rows [N] are chosen: of every class about `share`, those whose texts have the smallest hashes.

    A class that has two different texts or more has one on either side. Rows with the same text are on one side.
    """
    pairs = split.pairs or [""] * len(split)
    keys = [_hash(f"{seed}\0{text}\0{pair}") for text, pair in zip(split.texts, pairs, strict=True)]
    chosen: set[int] = set()
    for number in np.unique(split.classes):
        counts = Counter(keys[row] for row in np.flatnonzero(split.classes == number))
        wanted, taken = max(1, round(share * counts.total())), 0
        for key in sorted(counts)[:-1]:
            if taken >= wanted:
                break
            chosen.add(key)
            taken += counts[key]
    return np.array([key in chosen for key in keys])


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
