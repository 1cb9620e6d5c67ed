"""Intervals of scores and differences: known cases, and how often they hold what they should."""

import time

import numpy as np
import pytest
import torch

from tinydistill.kinds.metrics import OF_CLASSES, OF_NUMBERS, task_metrics
from tinydistill.kinds.weighted_metrics import weighted_scores
from tinydistill.report.bootstrap import bootstrap

RANDOM = np.random.default_rng


def answers(random, labels, right: float):
    """Two classes, of which a share is right."""
    return np.where(random.random(labels.shape) < right, labels, 1 - labels)


def rows_of(kind: str, count: int, random):
    """Labels, predictions, the number of classes."""
    if kind == "numbers":
        labels = random.integers(0, 6, count).astype(np.float64)  # with ties
        return labels, np.round(labels + random.normal(0, 2, count), 1), 0
    classes = int(kind)
    labels = random.integers(0, classes, count)
    return labels, np.where(random.random(count) < 0.6, labels, random.integers(0, classes, count)), classes


CASES = [(metric, kind) for metric in OF_CLASSES for kind in ("2", "5")] + [(name, "numbers") for name in OF_NUMBERS]


@pytest.mark.parametrize(("metric", "kind"), CASES)
def test_weighted_scores_are_the_project_s_metrics_of_rows_that_are_there_so_often(metric, kind):
    random = RANDOM(0)
    labels, said, classes = rows_of(kind, 60, random)
    weights = random.multinomial(60, np.full(60, 1 / 60), size=20)
    found = weighted_scores(metric, said, labels, weights, classes)
    for score, times in zip(found, weights, strict=True):
        chosen = np.repeat(np.arange(60), times)
        metrics = task_metrics([metric], classes or 1)
        whole = [torch.from_numpy(of[chosen]) for of in (said, labels)]
        expected = metrics(*(of if classes else of.float() for of in whole))[metric]
        assert score == pytest.approx(float(expected), abs=2e-5)


@pytest.mark.parametrize(
    ("metric", "classes", "expected"),
    [("matthews", 2, 0.0), ("f1", 2, 0.0), ("spearman", 0, None), ("pearson", 0, None)],
)
def test_constant_predictions_have_a_score_where_one_is_defined(metric, classes, expected):
    labels = np.arange(50) % 2 if classes else np.linspace(0, 5, 50)
    (model,) = bootstrap(metric, labels, [{0: np.zeros(50)}], classes=classes)
    score = model.score()
    assert score.value == (None if expected is None else pytest.approx(expected))
    assert (score.low is None) is (expected is None)


def test_the_interval_of_an_accuracy_is_about_that_of_normal_theory():
    random = RANDOM(1)
    labels = random.integers(0, 2, 872)
    (model,) = bootstrap("accuracy", labels, [{0: answers(random, labels, 0.8)}], classes=2)
    score = model.score()
    deviation = np.sqrt(score.value * (1 - score.value) / 872)
    assert score.low == pytest.approx(score.value - 1.96 * deviation, abs=0.004)
    assert score.high == pytest.approx(score.value + 1.96 * deviation, abs=0.004)
    assert score.half == pytest.approx(1.96 * deviation, rel=0.1)


def test_equal_predictions_differ_by_nothing_however_the_rows_are_drawn():
    random = RANDOM(2)
    labels = random.integers(0, 2, 200)
    said = {seed: answers(random, labels, 0.8) for seed in range(3)}
    one, other = bootstrap("f1", labels, [said, dict(said)], classes=2)
    difference, share = one.minus(other), one.share_of(other)
    assert (difference.value, difference.low, difference.high) == (0, 0, 0)
    assert (share.value, share.low, share.high) == pytest.approx((100, 100, 100))


def test_models_that_err_on_the_same_rows_are_told_apart_by_pairs():
    random = RANDOM(3)
    labels = random.integers(0, 2, 872)
    good = answers(random, labels, 0.8)
    worse = good.copy()
    worse[np.flatnonzero(good == labels)[:15]] ^= 1
    one, other = bootstrap("accuracy", labels, [{0: good}, {0: worse}], classes=2)
    assert one.minus(other).low > 0
    assert one.score().low < other.score().high  # each alone says nothing


def test_seeds_that_differ_widen_the_interval():
    random = RANDOM(4)
    labels = random.integers(0, 2, 2000)
    spread = {seed: answers(random, labels, right) for seed, right in enumerate((0.7, 0.8, 0.9))}
    alike = {seed: answers(random, labels, 0.8) for seed in range(3)}
    many, few = bootstrap("accuracy", labels, [spread, alike], classes=2)
    assert many.score().half > 3 * few.score().half


def test_the_same_arguments_give_the_same_intervals():
    labels = np.arange(100) % 2
    said = {0: answers(RANDOM(5), labels, 0.7)}
    first, again, other = (bootstrap("accuracy", labels, [said], classes=2, seed=seed)[0] for seed in (0, 0, 1))
    assert first.score() == again.score() != other.score()


@pytest.mark.parametrize("seeds", [1, 10])
def test_intervals_hold_the_true_difference_in_about_95_of_100_samples(seeds):
    random = RANDOM(6)
    held = []
    for _ in range(300):
        labels, hard = random.integers(0, 2, 250), random.random(250)
        models = []
        for right in (0.85, 0.75):  # of every seed another, around that
            levels = right + (random.normal(0, 0.02, seeds) if seeds > 1 else np.zeros(1))
            easy = [0.5 * hard + 0.5 * random.random(250) for _ in levels]  # models err on the same rows
            mixed = [
                np.where(one < _quantile(level), labels, 1 - labels) for one, level in zip(easy, levels, strict=True)
            ]
            models.append(dict(enumerate(mixed)))
        one, other = bootstrap("accuracy", labels, models, classes=2, resamples=400)
        difference = one.minus(other)
        held.append(difference.low <= 0.1 <= difference.high)
    assert 0.90 <= np.mean(held) <= 0.99


def _quantile(share: float) -> float:
    """Below which a share of the halved sums of two uniform numbers lies."""
    return 1 - np.sqrt((1 - share) / 2)


def test_two_thousand_resamples_of_a_task_s_rows_take_a_few_seconds():
    random = RANDOM(7)
    begun = time.monotonic()
    labels = random.random(872)
    models = [{seed: labels + random.normal(0, 1, 872) for seed in range(3)} for _ in range(2)]
    bootstrap("spearman", labels, models, classes=0)
    assert time.monotonic() - begun < 10
