"""From which probability on a label counts as given: chosen on rows that are kept aside for it.

N: rows, C: labels.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DEFAULT = 0.5
LEAST = 10  # rows with a label: fewer say too little to choose its own threshold by
_DIGITS = 6  # that are kept: as many as a reader of a configuration stands


def best_thresholds(probabilities_NC: NDArray[np.floating], labels_NC: NDArray[np.floating]) -> tuple[float, ...]:
    """A threshold for each label: the one with the best F1 of that label on these rows.

    A label that fewer than LEAST rows have, or lack, takes the one threshold that is best for all labels together, by
    micro F1. Where no row has any label at all, thresholds are DEFAULT.
    """
    if not labels_NC.any():
        return (DEFAULT,) * int(labels_NC.shape[1])
    common = best_threshold(probabilities_NC.ravel(), labels_NC.ravel())
    counts = labels_NC.sum(0)
    own = (counts >= LEAST) & (len(labels_NC) - counts >= LEAST)
    return tuple(
        best_threshold(probabilities_NC[:, number], labels_NC[:, number]) if own[number] else common
        for number in range(labels_NC.shape[1])
    )


def best_threshold(probabilities_N: NDArray[np.floating], labels_N: NDArray[np.floating]) -> float:
    """The threshold with the largest F1 of what is at least as probable; of several such the largest.

    It lies half-way between two probabilities that occur, or between the smallest and 0, so that rounding changes
    little. One row at least has the label.
    """
    order = np.argsort(-probabilities_N, kind="stable")
    sorted_N, right_N = probabilities_N[order].astype(np.float64), np.cumsum(labels_N[order], dtype=np.float64)
    f1_N = 2 * right_N / (np.arange(1, len(order) + 1) + right_N[-1])
    lower_N = np.append(sorted_N[1:], 0.0)
    f1_N[:-1][sorted_N[:-1] == lower_N[:-1]] = -1  # equal ones are said together
    last = int(f1_N.argmax())
    return round(float(sorted_N[last] + lower_N[last]) / 2, _DIGITS)
