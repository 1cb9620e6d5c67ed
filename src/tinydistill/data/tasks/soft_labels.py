"""Probabilities of classes that come with the rows: of a large language model, an ensemble, people.

N: rows, C: classes.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydistill.data.formats import shortened
from tinydistill.data.tasks.lists import as_python
from tinydistill.data.tasks.table import Table
from tinydistill.data.tasks.targets import FIX_ROW, Target, as_number
from tinydistill.errors import InputError

TOLERANCE = 0.02  # how far the sum of a row may be from 1: rounded figures are made to add up


def probabilities(table: Table, target: Target, columns: Sequence[str]) -> NDArray[np.float32]:
    """The rows' probabilities [N, C] in the order of the target's labels, each row adding up to 1.

    There is a column a class, in that order, or a single one that holds them all: a list, or an object by label, as
    such or as JSON. Raises InputError with file and row for what is none.
    """
    return np.array([_of_row(table, row, target, columns) for row in range(len(table))], np.float32)


def _of_row(table: Table, row: int, target: Target, columns: Sequence[str]) -> list[float]:
    cells, where = table.others[row], f"{table.where(row)}: column '{columns[0]}'"
    if len(columns) == 1:
        cells = _unpacked(cells[0], target, where)
    shares = []
    for place, cell in enumerate(cells):
        share = as_number(cell)
        if share is None or not 0 <= share <= 1 + TOLERANCE:
            column = columns[place] if len(columns) > 1 else columns[0]
            raise InputError(
                f"{table.where(row)}: column '{column}' holds {shortened(cell)}, which is no probability", FIX_ROW
            )
        shares.append(share)
    if abs(sum(shares) - 1) > TOLERANCE:
        raise InputError(f"{table.where(row)}: the probabilities of its classes add up to {sum(shares):.3g}", FIX_ROW)
    return [share / sum(shares) for share in shares]


def _unpacked(cell: Any, target: Target, where: str) -> list[Any]:
    """What a cell with all classes holds, in the order of the labels; a class that an object lacks has none."""
    value = as_python(cell)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            value = None
    if isinstance(value, dict):
        if unknown := sorted(value.keys() - set(target.labels)):
            raise InputError(
                f"{where} has a probability of {unknown[0]!r}, which is none of {', '.join(target.labels)}",
                "fix the row, or name all that there are in {Target.labels}",
            )
        return [value.get(label) or 0.0 for label in target.labels]
    if not isinstance(value, list) or len(value) != len(target.labels):
        raise InputError(
            f"{where} holds {shortened(cell)}, which is no list of {len(target.labels)} probabilities and no object of "
            f"them by label",
            FIX_ROW,
        )
    return value
