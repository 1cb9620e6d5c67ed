"""Several labels of a text at once: the topics of a message, the teams that it goes to.

N: rows, C: labels.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydistill.data.tasks.table import Table
from tinydistill.data.tasks.targets import FIX_ROW, Target, label_name
from tinydistill.errors import InputError


@dataclass(frozen=True)
class SeveralLabels(Target):
    """Any number of `labels` at once, none too. A split's labels are float32 [N, C]: 1 where a row has one, else 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.labels:
            raise InputError("there is no label to predict", "name them in {Target.labels}")

    def encode(self, table: Table, column: str) -> NDArray[Any]:
        """The table's lists of labels as 0 and 1, float32 [N, C].

        A label may be given by name or, unless the names are whole numbers themselves, by its number. Raises InputError
        for one that is neither, with file, line and value.
        """
        assert table.labels is not None
        numbers = self.numbers
        encoded = np.zeros((len(table), len(self.labels)), np.float32)
        for row, labels in enumerate(table.labels):
            for label in labels:
                name = label_name(label)
                if not name:
                    raise InputError(f"{table.where(row)}: a label in column '{column}' is empty", FIX_ROW)
                if name not in numbers:
                    raise self.unknown(table.where(row), label, column)
                encoded[row, numbers[name]] = 1
        return encoded
