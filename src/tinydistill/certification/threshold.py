"""The confidence above which a student may answer alone: chosen so that the choice doesn't break what it promises.

Above a threshold λ that is fixed beforehand, the number of rows on which student and teacher differ is binomial, and
p(λ) = P(Binomial(n, 1 − agreement) ≤ number) is an exact p-value of "they agree on less than `agreement` of such rows".
The lowest of many passing thresholds would pass by luck too often. So the candidates stand in an order that doesn't
depend on the rows that decide, from the most to the least confident, and are tested until the first that fails: then
the probability that any passing one is wrong is at most 1 − confidence. This is fixed-sequence testing as in
Angelopoulos, Bates, Candès, Jordan, Lei, "Learn then Test: Calibrating Predictive Algorithms to Achieve Risk Control"
(2021).

The candidates, and the one to begin with, are chosen on other rows, the pilot: one that few rows pass would fail for
want of rows, one that many pass for their differences.

N: rows that decide, P: rows of the pilot, K: candidates.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinydistill.certification.calibration import Floats
from tinydistill.kinds.binomial import at_most, interval, most_misses

Flags = NDArray[np.bool_]
SHARES = 40  # candidates: that answer so many different shares of the rows
PILOT = 0.2  # share of the rows that is put aside for a pilot where there are no others


@dataclass(frozen=True)
class Threshold:
    """A tested threshold: rows above it, on how many of them both models agree, and the share of all rows that it is.

    `value` is None where no candidate passed; `shares` are the ends of the share's interval.
    """

    value: float | None
    rows: int = 0
    agreeing: int = 0
    share: float = 0.0
    shares: tuple[float, float] = (0.0, 0.0)
    tested: int = 0


def candidates(pilot_P: Floats, count: int = SHARES) -> Floats:
    """Thresholds [K], falling, with equal shares of the pilot's rows in between; the last is 0, which all rows pass."""
    shares = np.arange(1, count) / count
    return np.append(np.unique(np.quantile(pilot_P, 1 - shares))[::-1], 0.0)


def ordered(
    pilot_P: Floats, agree_P: Flags, rows: int, *, agreement: float, confidence: float, count: int = SHARES
) -> Floats:
    """The candidates in the order in which they are to be tested on so many rows: from the likeliest to pass downwards.

    How likely one passes is what the pilot's shares of rows and of differing answers make of it (half a row added).
    """
    grid = candidates(pilot_P, count)

    def chance(threshold: float) -> float:
        above = pilot_P >= threshold
        expected = round(rows * float(above.mean()))
        differing = (float((above & ~agree_P).sum()) + 0.5) / (float(above.sum()) + 1)
        return at_most(most_misses(expected, agreement, confidence), expected, differing)

    return grid[int(np.argmax([chance(threshold) for threshold in grid])) :]


def certified(sequence_K: Floats, sure_N: Floats, agree_N: Flags, *, agreement: float, confidence: float) -> Threshold:
    """The last candidate of a sequence before the first that fails."""
    found = Threshold(None)
    for number, value in enumerate(sequence_K, start=1):
        above = sure_N >= value
        rows, agreeing = int(above.sum()), int((above & agree_N).sum())
        if rows == 0 or at_most(rows - agreeing, rows, 1 - agreement) > 1 - confidence:
            return Threshold(found.value, found.rows, found.agreeing, found.share, found.shares, number)
        shares = interval(rows, len(sure_N), confidence)
        found = Threshold(float(value), rows, agreeing, rows / len(sure_N), shares, number)
    return found


def put_aside(rows: int, seed: int = 0) -> Flags:
    """Which of the rows [N] are the pilot where there are no others; a draw that looks at nothing."""
    chosen = np.zeros(rows, np.bool_)
    chosen[np.random.default_rng(seed).permutation(rows)[: round(PILOT * rows)]] = True
    return chosen
