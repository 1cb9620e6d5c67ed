"""Where the rows of a task come from; a task with some of its rows, or with training rows kept aside to choose by."""

import hashlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tinydistill.data.tasks.examples import Judgments, Split, to_split
from tinydistill.data.tasks.layout import Layout
from tinydistill.data.tasks.table import Table
from tinydistill.data.tasks.tables import read_tables
from tinydistill.data.tasks.targets import Target
from tinydistill.errors import InputError

UNLABELED = "{TaskDataModule.unlabeled}"  # what names the file of rows without labels
SELECTION = "selection"  # the validation split that chooses, where training rows are kept aside for it
LEAST_SELECTED = 20  # rows: fewer say too little to choose by


class TaskSource(ABC):
    """The splits of a task and what it predicts.

    Subclass it for your own, which a configuration names as `_target_` and makes from plain arguments.
    A subclass needs `target`, `train` and `validation`. The command line shows an `InputError` that they raise as one
    line.
    """

    labeled: ClassVar[bool] = True
    """As its target has it; known before any row is read."""
    empty_texts: ClassVar[bool] = False
    """Whether rows without labels may have no text."""

    @property
    @abstractmethod
    def target(self) -> Target:
        """The classes in their order, or a number."""

    @abstractmethod
    def train(self) -> Split:
        """The training rows, all labeled."""

    @abstractmethod
    def validation(self) -> dict[str, Split]:
        """Labeled splits by name; the score of the first is the one that counts."""

    def test(self) -> dict[str, Split]:
        """Splits by name, mostly without labels; empty where the task has none."""
        return {}

    def tables(self, file: str, at_once: int | None = None, *, argument: str = UNLABELED) -> Iterator[Table]:
        """Further rows without labels, with all their columns, in one table or in several of at most so many rows.

        They are from a file that is laid out as the training rows: `text`, and `text_pair`; `argument` names it.
        """
        pair = None if self.train().pairs is None else "text_pair"
        return read_tables(file, Layout("text", pair, keep=True), argument=argument, at_once=at_once)

    def unlabeled(self, file: str) -> Split:
        """All of them together."""
        (table,) = self.tables(file)
        return to_split("unlabeled", table, Target(), label=None, empty_texts=self.empty_texts)

    def identity(self) -> str:
        """The same for the same training and validation rows, wherever they lie."""
        splits = {"train": self.train(), **self.validation()}
        return hashlib.sha256(repr([self.target, *((n, s.identity()) for n, s in splits.items())]).encode()).hexdigest()


@dataclass(frozen=True)
class OfAnother(TaskSource):
    """Another task, of which a subclass changes training and validation rows."""

    source: TaskSource

    @property
    def target(self) -> Target:
        """The other task's."""
        return self.source.target

    def test(self) -> dict[str, Split]:
        """The other task's."""
        return self.source.test()

    def tables(self, file: str, at_once: int | None = None, *, argument: str = UNLABELED) -> Iterator[Table]:
        """As the other task reads them."""
        return self.source.tables(file, at_once, argument=argument)

    def unlabeled(self, file: str) -> Split:
        """As the other task reads them."""
        return self.source.unlabeled(file)


@dataclass(frozen=True)
class SomeRows(OfAnother):
    """Another task with some of its rows, always the same ones, in their order.

    Args:
        source: the other task.
        train_share: of the training rows; of every class about as many, those with the smallest hashes. Which ones
            depends on `seed` and the texts, on no order; a smaller share is a part of a larger one.
        seed: of that share.
        rows: of every split at most so many, after that; a row of every class is among them.
    """

    train_share: float = 1.0
    seed: int = 0
    rows: int | None = None

    def train(self) -> Split:
        """Some of the training rows. Raises InputError where none are left."""
        whole = self.source.train()
        if self.train_share * len(whole) < 1:
            raise InputError(
                f"a share of {self.train_share:g} of {len(whole)} training rows leaves none",
                "set {SomeRows.train_share} to more",
            )
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
        if isinstance(split.labels, Judgments):
            return split.take(split.labels.few(self.rows))
        rows = np.random.default_rng(0).permutation(len(split))
        _, firsts = np.unique(split.classes[rows], return_index=True)
        rows = np.concatenate([rows[np.sort(firsts)], np.delete(rows, firsts)])
        return split.take(np.sort(rows[: self.rows]))


@dataclass(frozen=True)
class WithSelection(OfAnother):
    """Another task whose training lacks some of its rows: they are the first validation split, `SELECTION`.

    Weights and rates are chosen by these, so that none are chosen on rows whose score is reported. Which rows depends
    on `seed` and the texts alone; copies of a text stay together. No rows are kept aside where they would be fewer than
    `LEAST_SELECTED` or of one label alone, or where the other task has a split of that name.

    Args:
        source: the other task.
        rows: that are kept aside, at most, and at most a tenth of the training rows.
        seed: of their choice.
    """

    rows: int
    seed: int = 0

    def train(self) -> Split:
        """The training rows that are left."""
        return self._sides[0]

    def validation(self) -> dict[str, Split]:
        """The rows kept aside, if any, before the validation splits."""
        kept, others = self._sides[1], self._others
        return others if kept is None else {SELECTION: kept, **others}

    @cached_property
    def _others(self) -> dict[str, Split]:
        return self.source.validation()

    @cached_property
    def _sides(self) -> tuple[Split, Split | None]:
        whole = self.source.train()
        wanted = min(self.rows, len(whole) // 10)
        if wanted < LEAST_SELECTED or SELECTION in self._others:
            return whole, None
        chosen = _kept_aside(whole, wanted, self.seed)
        kept = replace(whole.take(np.flatnonzero(chosen)), name=SELECTION, skipped=0)
        if len(kept) < LEAST_SELECTED or (self.target.labeled and (kept.labels is None or kept.uniform)):
            return whole, None
        return whole.take(np.flatnonzero(~chosen)), kept


def smallest_hashes(split: Split, share: float, seed: int) -> NDArray[np.bool_]:
    """Which rows [N] are chosen: of every class about `share`, those whose texts have the smallest hashes.

    A class that has two different texts or more has one on either side. Rows with the same text are on one side, and so
    are those with the same second text where they belong together.
    """
    keys = _keys(split, str(seed))
    classes = split.classes
    chosen: set[int] = set()
    for number in np.unique(classes):
        counts = Counter(keys[row] for row in np.flatnonzero(classes == number))
        wanted, taken = max(1, round(share * counts.total())), 0
        for key in sorted(counts)[:-1]:
            if taken >= wanted:
                break
            chosen.add(key)
            taken += counts[key]
    return np.array([key in chosen for key in keys])


def _kept_aside(split: Split, most: int, seed: int) -> NDArray[np.bool_]:
    """Which rows [N], at most so many: those with the smallest hashes, copies together, but of no class the last."""
    alike: dict[int, list[int]] = {}
    for row, key in enumerate(_keys(split, f"{SELECTION} {seed}")):  # other hashes than those of a share with this seed
        alike.setdefault(key, []).append(row)
    classes, kept = split.classes, np.zeros(len(split), np.bool_)
    left, taken = Counter(classes.tolist()), 0
    for _, rows in sorted(alike.items()):
        lost = Counter(classes[rows].tolist())
        if taken + len(rows) <= most and all(left[number] > count for number, count in lost.items()):
            kept[rows] = True
            left, taken = left - lost, taken + len(rows)
        if taken == most:
            break
    return kept


def _keys(split: Split, salt: str) -> list[int]:
    pairs = split.pairs or [""] * len(split)
    texts = pairs if split.by_pair else split.texts
    return [_hash(f"{salt}\0{text}\0{pair}") for text, pair in zip(texts, pairs, strict=True)]


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
