"""Exact bounds of a share that was counted on rows drawn independently.

Clopper, Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial", Biometrika 26
(1934): a bound is the share at which as extreme a count would have the probability that is left for being wrong. It
holds at least as often as it says, at any number of rows.
"""

import functools
import math

import numpy as np

_STEPS = 60  # halvings of [0, 1]: to the last digit of a float


def at_most(count: int, rows: int, share: float) -> float:
    """P(X <= count) of X ~ Binomial(rows, share), summed exactly."""
    if count < 0:
        return 0.0
    if count >= rows or share <= 0:
        return 1.0
    if share >= 1:
        return 0.0
    i = np.arange(1, count + 1)
    ways = np.concatenate([[0.0], np.cumsum(np.log((rows - i + 1) / i))])  # log of rows over i
    i = np.arange(count + 1)
    logs = ways + i * math.log(share) + (rows - i) * math.log1p(-share)
    return float(min(1.0, np.exp(logs - logs.max()).sum() * math.exp(logs.max())))


def lower_bound(count: int, rows: int, confidence: float) -> float:
    """What the true share is at least, with this confidence; 0 where there is no row."""
    if count == 0:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        share = (low + high) / 2
        # P(X >= count) at this share: the others are at most rows - count
        reached = at_most(rows - count, rows, 1 - share)
        low, high = (share, high) if reached < 1 - confidence else (low, share)
    return low


def upper_bound(count: int, rows: int, confidence: float) -> float:
    """What the true share is at most, with this confidence; 1 where there is no row."""
    return 1 - lower_bound(rows - count, rows, confidence)


def interval(count: int, rows: int, confidence: float) -> tuple[float, float]:
    """Both ends between which the true share lies with this confidence, each missed with half of the rest."""
    one_sided = (1 + confidence) / 2
    return lower_bound(count, rows, one_sided), upper_bound(count, rows, one_sided)


def least_rows(share: float, confidence: float) -> int:
    """The rows that must all be alike before their share is at least `share` with this confidence."""
    return math.ceil(math.log(1 - confidence) / math.log(share))


@functools.lru_cache(4096)
def most_misses(rows: int, share: float, confidence: float) -> int:
    """The most of so many rows that may differ where the bound is still to reach `share`; -1 where none may."""
    low, high = -1, rows  # the largest count with P(X <= count) <= 1 - confidence, X ~ Binomial(rows, 1 - share)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if at_most(middle, rows, 1 - share) <= 1 - confidence else (low, middle)
    return low
