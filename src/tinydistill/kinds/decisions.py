"""The choices among classes that answers are made of."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Decisions(NamedTuple):
    """One for a row, for a word or for a label: `logits` [P, C], and `rows` [P], the number of the row that each is of.

    `labels` [P] are the numbers of the right classes; None where they aren't known.
    """

    logits: NDArray[np.floating[Any]]
    rows: NDArray[np.int64]
    labels: NDArray[np.int64] | None = None
