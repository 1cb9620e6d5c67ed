"""Exact binomial bounds: those of scipy, and never broken more often than they say."""

import math

import numpy as np
import pytest
from scipy import stats

from tinydistill.certification.binomial import at_most, interval, least_rows, lower_bound, most_misses, upper_bound

CASES = [(0, 1), (1, 1), (0, 30), (30, 30), (27, 30), (271, 277), (9_900, 10_000), (3, 100_000)]


@pytest.mark.parametrize("share", [0.0, 1e-9, 0.01, 0.5, 0.99, 1.0])
@pytest.mark.parametrize(("count", "rows"), [*CASES, (-1, 5), (7, 5)])
def test_the_tail_is_the_sum_of_the_probabilities(count, rows, share):
    assert at_most(count, rows, share) == pytest.approx(stats.binom.cdf(count, rows, share), rel=1e-8, abs=1e-300)


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
@pytest.mark.parametrize(("count", "rows"), CASES)
def test_bounds_are_clopper_and_pearsons(count, rows, confidence):
    greater = stats.binomtest(count, rows, alternative="greater").proportion_ci(confidence, "exact")
    less = stats.binomtest(count, rows, alternative="less").proportion_ci(confidence, "exact")
    both = stats.binomtest(count, rows).proportion_ci(confidence, "exact")
    assert lower_bound(count, rows, confidence) == pytest.approx(greater.low, abs=1e-10)
    assert upper_bound(count, rows, confidence) == pytest.approx(less.high, abs=1e-10)
    assert interval(count, rows, confidence) == pytest.approx((both.low, both.high), abs=1e-10)


def test_no_rows_say_nothing():
    assert interval(0, 0, 0.95) == (0.0, 1.0)


def test_the_truth_lies_outside_no_more_often_than_promised():
    draws, confidence = 4000, 0.95
    random = np.random.default_rng(0)
    for rows, share in ((60, 0.9), (400, 0.99), (500, 0.6), (1000, 0.995)):
        counts = random.binomial(rows, share, size=draws)
        known = {count: (lower_bound(count, rows, confidence), *interval(count, rows, confidence))
                 for count in map(int, np.unique(counts))}  # fmt: skip
        ends = np.array([known[int(count)] for count in counts])
        allowed = (1 - confidence) * draws + 4 * math.sqrt(0.05 * 0.95 * draws)
        assert (ends[:, 0] > share).sum() <= allowed
        assert ((ends[:, 1] > share) | (ends[:, 2] < share)).sum() <= allowed
        assert (ends[:, 0] > share).sum() > 0  # it is no bound that says nothing


def test_the_rows_and_the_misses_that_a_bound_takes_are_exact():
    for share, confidence in ((0.99, 0.95), (0.9, 0.99), (0.5, 0.6)):
        rows = least_rows(share, confidence)
        assert lower_bound(rows, rows, confidence) >= share > lower_bound(rows - 1, rows - 1, confidence)
        for rows in (1, 50, 299, 2000):
            misses = most_misses(rows, share, confidence)
            assert misses == -1 or lower_bound(rows - misses, rows, confidence) >= share
            assert lower_bound(rows - misses - 1, rows, confidence) < share
    assert least_rows(0.99, 0.95) == 299
