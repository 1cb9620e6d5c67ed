"""The rows of a task: as they were read, what is to be predicted from them, and both together.

N: rows of a split, C: classes.
"""

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tinydistill.data.formats import shortened
from tinydistill.data.tasks.file_rows import FileRows
from tinydistill.data.tasks.ragged import Ragged
from tinydistill.data.tasks.windows import Windows
from tinydistill.errors import InputError

FIX_ROW = "fix the row or leave it out"
MAX_TARGET = float(np.finfo(np.float32).max)
MAX_LABEL = 200  # characters of a class's name
MAX_CLASSES = 1000  # more different labels than this are not taken for classes unless they are listed


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


@dataclass(frozen=True)
class Target:
    """What a task predicts: one of `labels`, whose places in the list are the class numbers, or else a number.

    Subclass it for a task that predicts something else.
    """

    labels: tuple[str, ...] = ()

    labeled: ClassVar[bool] = True
    """Whether rows have labels; where they have none, the teacher as it is knows all that there is to learn."""
    windows: ClassVar[Windows | None] = None
    """How long rows are cut into several windows; None where they are cut off."""
    of_whole_texts: ClassVar[bool] = True
    """Whether labels stay right when words are replaced, and any two texts make a pair."""
    by_pair: ClassVar[bool] = False
    """Whether rows with the same second text belong together, so that all are for training or none."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(map(label_name, self.labels)))
        twice = next((label for label in self.labels if self.labels.count(label) > 1), None)
        if twice is not None:
            raise InputError(f"{twice!r} stands twice among the labels", "name it once in {Target.labels}")
        if len(self.labels) == 1:
            advice = "set {Target.labels} to two labels or more"
            raise InputError(f"labels={list(self.labels)} leaves nothing to predict", advice)

    @property
    def regression(self) -> bool:
        """Whether a number is predicted."""
        return not self.labels

    @property
    def outputs(self) -> int:
        """Outputs of the prediction layer: C, or 1."""
        return len(self.labels) or 1

    @property
    def numbers(self) -> dict[str, int]:
        """Class numbers by name and, unless the names are whole numbers themselves, by the number as text."""
        numbers = {label: number for number, label in enumerate(self.labels)}
        if not any(map(_is_whole, self.labels)):
            numbers |= {str(number): number for number in range(len(self.labels))}
        return numbers

    def in_batches(self, labels: Any, rows: Any) -> Any:
        """The labels of every window [W, ...] or token [P, ...] of `rows` (EncodedRows), as batches hold them."""
        return labels

    def encode(self, table: Table, column: str) -> NDArray[Any] | Ragged:
        """The table's labels as class numbers int64 [N] or real targets float32 [N].

        A class may be given by name or, unless the names are whole numbers themselves, by its number. Raises InputError
        for a label that is neither, with file, line and value.
        """
        assert table.labels is not None
        if self.regression:
            targets = [as_number(value) for value in table.labels]
            row = next((row for row, y in enumerate(targets) if y is None or not abs(y) <= MAX_TARGET), None)
            if row is not None:
                wrong = "not a number" if targets[row] is None else "no number that float32 holds"
                raise InputError(
                    f"{table.where(row)}: {shortened(table.labels[row])} in column '{column}' is {wrong}, which a "
                    "regression needs",
                    "fix the row, or set {TaskFiles.regression} to false if these are class names",
                )
            return np.array(targets, np.float32)
        numbers = self.numbers
        classes = np.array([numbers.get(label_name(value), -1) for value in table.labels], np.int64)
        if (unknown := np.flatnonzero(classes < 0)).size:
            row = int(unknown[0])
            raise self.unknown(table.where(row), table.labels[row], column)
        return classes

    def unknown(self, where: str, label: Any, column: str) -> InputError:
        """What to raise for a label that is none of the task's."""
        known = ", ".join(self.labels[:20]) + (", …" if len(self.labels) > 20 else "")
        return InputError(
            f"{where}: {shortened(label)} in column '{column}' is no label of this task, whose labels are {known}",
            "fix the row, or name all that there are in {Target.labels}",
        )


def infer_target(table: Table, column: str, regression: bool | None) -> Target:
    """What a training table's label column asks to predict.

    `regression=None` decides: numbers that are not all whole are real targets, anything else is classes, sorted by
    number where they are whole numbers and by name otherwise. Raises InputError where there is no label, one alone, or
    too many different ones to be classes.
    """
    assert table.labels is not None
    if regression is None:
        numbers = [as_number(value) for value in table.labels]
        regression = None not in numbers and not all(number.is_integer() for number in numbers if number is not None)
    if regression:
        return Target()
    of_rows = list(map(label_name, table.labels))
    if "" in of_rows:
        raise InputError(f"{table.where(of_rows.index(''))}: there is no label in column '{column}'", FIX_ROW)
    names = set(of_rows)
    longest = max(of_rows, key=len)
    if len(longest) > MAX_LABEL:
        raise too_long(table.where(of_rows.index(longest)), longest, column)
    if len(names) < 2:
        raise InputError(
            f"{table.source}: all {len(table)} rows have the label {''.join(names)!r} in column '{column}'; a task "
            "needs two labels or more",
            "set {TaskFiles.label} to another column",
        )
    if len(names) > MAX_CLASSES:
        raise InputError(
            f"{table.source}: column '{column}' holds {len(names)} different labels",
            "set {TaskFiles.label} to another column, {TaskFiles.regression} to true to predict numbers, or list the "
            "labels in {Target.labels}",
        )
    return Target(in_order(names))


def in_order(names: set[str]) -> tuple[str, ...]:
    """Names of classes by number where they are whole numbers, else by name."""
    return tuple(sorted(names, key=(lambda name: (int(name), name)) if all(map(_is_whole, names)) else None))


def too_long(where: str, name: str, column: str) -> InputError:
    """What to raise for a text that is none of a label."""
    return InputError(
        f"{where}: {shortened(name)} in column '{column}' has {len(name):,} characters, too many for a label",
        "set {TaskFiles.label} to another column",
    )


def label_name(value: Any) -> str:
    """A raw label as a class name: 1, 1.0 and "1" are the same, as are True and "true"; empty where there is none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else "" if math.isnan(value) else str(value)
    return str(value).strip()


def as_number(value: Any) -> float | None:
    """A raw label as a number, which may be infinite; None where it is none or missing."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    except OverflowError:  # a whole number of more than 308 digits
        return math.inf
    return None if isinstance(value, bool) or (isinstance(value, float) and math.isnan(value)) else number


def _is_whole(name: str) -> bool:
    return len(name) < 19 and name.removeprefix("-").isdecimal()


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
    file = table.file_rows()
    return Split(name, table.texts, table.pairs, labels, skipped=table.skipped, by_pair=target.by_pair, file=file)


def check_for_scores(split: Split, source: str, advice: str) -> Split:
    """The split itself; raises InputError where all its labels are one and no score says anything."""
    if split.uniform:
        same = f"all {len(split)} rows have the same label" if len(split) > 1 else "there is but one row"
        raise InputError(f"{source}: {same}, so no score means anything", advice)
    return split
