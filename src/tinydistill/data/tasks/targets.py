"""What a task predicts, and how the cells of a column become labels.

N: rows.
"""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tinydistill.data.formats import list_names, shortened
from tinydistill.data.tasks.ragged import Ragged
from tinydistill.data.tasks.table import Table
from tinydistill.data.tasks.windows import Windows
from tinydistill.errors import InputError

FIX_ROW = "fix the row or leave it out"
MAX_TARGET = float(np.finfo(np.float32).max)
MAX_LABEL = 200  # characters of a class's name
MAX_CLASSES = 1000  # more different labels than this are not taken for classes unless they are listed


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
        """The error for a label that the task doesn't have."""
        return InputError(
            f"{where}: {shortened(label)} in column '{column}' is no label of this task, whose labels are "
            f"{list_names(self.labels)}",
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
    """The error for a text that is too long for a label."""
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
