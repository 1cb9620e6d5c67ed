"""The rows of a task with their labels, as models learn from them and are scored on them.

N: rows of a split, C: classes.
"""

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydistill.data.tasks.file_rows import FileRows
from tinydistill.data.tasks.ragged import Ragged
from tinydistill.data.tasks.table import Table
from tinydistill.data.tasks.targets import FIX_ROW, Target
from tinydistill.errors import InputError


class Judgments(ABC):
    """What is known of the texts of a split together, in place of a label for each."""

    @abstractmethod
    def __len__(self) -> int:
        """The number of texts."""

    @abstractmethod
    def __getitem__(self, rows: NDArray[np.int64]) -> "Judgments":
        """What is known of the texts in these rows alone."""

    @abstractmethod
    def few(self, count: int) -> NDArray[np.int64]:
        """The rows of at most so many texts of which something is known."""

    @property
    @abstractmethod
    def uniform(self) -> bool:
        """Whether no score says anything."""

    @abstractmethod
    def tobytes(self) -> bytes:
        """What a hash is made of."""


@dataclass(frozen=True)
class Split:
    """A part of a task, row by row in the order of its source.

    `labels`: class numbers int64 [N], real targets float32 [N], 0 and 1 float32 [N, C] for several labels at once, or
    what else its Target encodes; None where they are unknown. `source_rows` int64 [N]: of augmented rows, the numbers
    of the training rows that they were made from; -1 for a row of its own. `soft` float32 [N, C]: probabilities that
    stand for a teacher's, where there are some. `by_pair`: whether rows with the same second text belong together, as
    several questions about it do. `file`: where they stand in their file, and what else it says of them.
    """

    name: str
    texts: list[str]
    pairs: list[str] | None = None
    labels: NDArray[Any] | Ragged | Judgments | None = None
    source_rows: NDArray[np.int64] | None = None
    soft: NDArray[np.float32] | None = None
    skipped: int = 0
    by_pair: bool = False
    file: FileRows | None = None

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def classes(self) -> NDArray[np.int64]:
        """Class numbers [N]: of rows with several labels the rarest one's, C where there is none; of all others 0."""
        labels = self.labels
        if isinstance(labels, np.ndarray):
            if labels.ndim == 1 and labels.dtype.kind == "i":
                return labels
            if labels.ndim == 2 and labels.dtype.kind == "f" and np.isin(labels, (0, 1)).all():
                counts = np.where(labels > 0, labels.sum(0), np.inf)
                return np.where(labels.any(1), counts.argmin(1), labels.shape[1])
        return np.zeros(len(self), np.int64)

    @property
    def uniform(self) -> bool:
        """Whether all labels are the same, so that no score of them says anything."""
        if self.labels is None:
            return False
        if isinstance(self.labels, Judgments):
            return self.labels.uniform
        if isinstance(self.labels, Ragged):
            none_too = bool((np.diff(self.labels.offsets) == 0).any())
            return len(np.unique(self.labels.values, axis=0)) + none_too < 2
        return len(np.unique(self.labels, axis=0)) < 2

    def take(self, rows: NDArray[np.int64]) -> "Split":
        """The rows with these numbers, in their order."""
        chosen = rows.tolist()
        pairs = None if self.pairs is None else [self.pairs[i] for i in chosen]
        labels = None if self.labels is None else self.labels[rows]
        texts, sources = [self.texts[i] for i in chosen], None if self.source_rows is None else self.source_rows[rows]
        soft = None if self.soft is None else self.soft[rows]
        file = None if self.file is None else self.file.take(rows)
        return replace(self, texts=texts, pairs=pairs, labels=labels, source_rows=sources, soft=soft, file=file)

    def with_unlabeled(self, other: "Split") -> "Split":
        """These rows and then another split's, all without labels."""
        pairs = None if self.pairs is None or other.pairs is None else [*self.pairs, *other.pairs]
        sources = np.arange(len(self)) if self.source_rows is None else self.source_rows
        sources = np.concatenate([sources, np.full(len(other), -1)])
        return Split(self.name, [*self.texts, *other.texts], pairs, source_rows=sources, skipped=self.skipped)

    def text_identity(self) -> str:
        """The hash of the texts."""
        digest = hashlib.sha256(repr((self.pairs is None, len(self))).encode())
        for text in (*self.texts, *(self.pairs or ())):
            encoded = text.encode()
            digest.update(len(encoded).to_bytes(8, "big") + encoded)
        return digest.hexdigest()

    def identity(self) -> str:
        """The hash of texts and labels."""
        labels = b"" if self.labels is None else self.labels.tobytes()
        soft = b"" if self.soft is None else self.soft.tobytes()
        return hashlib.sha256(self.text_identity().encode() + labels + soft).hexdigest()


def to_split(name: str, table: Table, target: Target, *, label: str | None, empty_texts: bool = False) -> Split:
    """A table with its labels made definite; without labels where `label`, the column's name, is None.

    Raises InputError for no rows, an empty text (unless `empty_texts` allows it), and a bad label.
    """
    if not len(table):
        raise InputError(f"{table.source} has no rows")
    for texts in (table.texts, table.pairs or []):
        row = next((row for row, text in enumerate(texts) if not text or text.isspace()), None)
        if row is not None and not empty_texts:
            which = "the second text" if texts is table.pairs else "the first text" if table.pairs else "the text"
            raise InputError(f"{table.where(row)}: {which} is empty", FIX_ROW)
    labels = target.encode(table, label) if label is not None else None
    file = table.file_rows() if table.places else None
    return Split(name, table.texts, table.pairs, labels, skipped=table.skipped, by_pair=target.by_pair, file=file)


def check_for_scores(split: Split, source: str, advice: str) -> Split:
    """The split itself; raises InputError where all its labels are one and no score says anything."""
    if split.uniform:
        same = f"all {len(split)} rows have the same label" if len(split) > 1 else "there is but one row"
        raise InputError(f"{source}: {same}, so no score means anything", advice)
    return split
