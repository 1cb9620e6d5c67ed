"""The threshold of a cascade: what it promises holds as often as it says, though it was chosen among many."""

import math

import numpy as np
import pytest

from tinydistill.certification.threshold import Threshold, candidates, certified, ordered, put_aside
from tinydistill.kinds.binomial import at_most

LEVEL = {"agreement": 0.9, "confidence": 0.95}
SAME = 0.1 + 1e-9  # a share of differing answers that is just too large
WORLDS = {  # the chance that both differ, by confidence in 0..1
    "all thresholds are just too low": lambda sure: np.full_like(sure, SAME),
    "the upper third will do": lambda sure: np.where(sure < 0.67, 0.3, SAME),
    "the most confident are the worst": lambda sure: np.where(sure > 0.9, 0.2, 0.02 + 0.16 * (sure < 0.5)),
    "differences grow with doubt": lambda sure: 0.4 * (1 - sure),
}


def truth(world, threshold: float) -> float:
    """The share of agreement above a threshold, confidences being uniform in 0..1."""
    sure = np.linspace(threshold, 1, 200_001)
    return float(1 - world(sure).mean())


def rows(random, world, count: int):
    sure = random.random(count)
    return sure, random.random(count) >= world(sure)


def found_in(random, world, count: int = 400, pilot: int = 120) -> Threshold:
    sequence = ordered(*rows(random, world, pilot), count, **LEVEL, count=20)
    return certified(sequence, *rows(random, world, count), **LEVEL)


@pytest.mark.parametrize("name", WORLDS)
def test_a_threshold_is_wrong_no_more_often_than_it_says(name):
    world, cases = WORLDS[name], 600
    random = np.random.default_rng(1)
    known: dict[float, bool] = {}
    wrong = 0
    for _ in range(cases):
        value = found_in(random, world).value
        if value is not None:
            wrong += known.setdefault(value, truth(world, value) < LEVEL["agreement"])
    assert wrong <= 0.05 * cases + 3 * math.sqrt(0.05 * 0.95 * cases)


def test_the_lowest_passing_threshold_of_all_would_be_wrong_far_more_often():
    world, cases = WORLDS["all thresholds are just too low"], 300
    random = np.random.default_rng(1)
    wrong = 0
    for _ in range(cases):
        sure, agree = rows(random, world, 400)
        counts = [((sure >= value).sum(), ((sure >= value) & ~agree).sum()) for value in candidates(sure)]
        wrong += any(at_most(int(missed), int(count), 0.1) <= 0.05 for count, missed in counts)
    assert wrong > 0.1 * cases


def test_where_the_truth_is_clear_the_threshold_is_near_the_best():
    world = WORLDS["differences grow with doubt"]  # agreement above t is 1 - 0.2 (1 - t): the best is 0.5
    values = [found_in(np.random.default_rng(seed), world, 4000, 800).value for seed in range(10)]
    assert None not in values
    assert 0.5 <= np.median(values) < 0.7


def test_models_that_always_agree_answer_everything_alone():
    sure = np.random.default_rng(0).random(500)
    agree = np.ones(500, bool)
    found = certified(ordered(sure[:100], agree[:100], 400, **LEVEL), sure[100:], agree[100:], **LEVEL)
    assert (found.value, found.rows, found.agreeing, found.share) == (0.0, 400, 400, 1.0)
    assert found.shares[1] == 1.0


def test_few_rows_or_too_many_differences_certify_nothing():
    sure, agree = np.linspace(0, 1, 25), np.ones(25, bool)
    assert certified(ordered(sure, agree, 25, **LEVEL), sure, agree, **LEVEL).value is None  # 29 are the fewest
    sure, agree = np.linspace(0, 1, 500), np.zeros(500, bool)
    assert certified(ordered(sure, agree, 500, **LEVEL), sure, agree, **LEVEL).value is None


def test_candidates_fall_to_zero_and_their_order_looks_at_the_pilot_alone():
    pilot = np.repeat([0.4, 0.9], 50)  # confidences that are often the same
    assert candidates(pilot)[[0, -2, -1]].tolist() == [0.9, 0.4, 0.0]
    grid = candidates(np.random.default_rng(0).random(200))
    assert (np.diff(grid) < 0).all()
    assert put_aside(100).sum() == 20
    assert (put_aside(100) == put_aside(100)).all()
