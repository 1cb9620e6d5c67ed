"""Scores against formulas written out."""

import math

import numpy as np
import pytest
import torch

from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.targets import Target
from tinydistill.errors import InputError
from tinydistill.kinds import kind_of
from tinydistill.kinds.metrics import task_metrics

CLASSES, NUMBERS = kind_of(Target(("a", "b", "c"))), kind_of(Target())
GENERATOR = torch.Generator().manual_seed(0)


def scores(names, outputs, predictions, labels) -> dict[str, float]:
    """All of them at once."""
    computed = task_metrics(names, outputs)(predictions, labels)
    return {name: float(value) for name, value in computed.items()}


def classes(count: int, rows: int = 97) -> tuple[torch.Tensor, torch.Tensor]:
    """Predictions that are right more often than not."""
    labels = torch.randint(count, (rows,), generator=GENERATOR)
    guesses = torch.randint(count, (rows,), generator=GENERATOR)
    return torch.where(torch.rand(rows, generator=GENERATOR) < 0.6, labels, guesses), labels


def naive_f1(predictions: list[int], labels: list[int], positive: int) -> float:
    pairs = list(zip(predictions, labels, strict=True))
    hits = sum(p == y == positive for p, y in pairs)
    wrong = sum((p == positive) != (y == positive) for p, y in pairs)
    return 2 * hits / (2 * hits + wrong)


def naive_pearson(x: list[float], y: list[float]) -> float:
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    products = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return products / math.sqrt(sum((a - mean_x) ** 2 for a in x) * sum((b - mean_y) ** 2 for b in y))


def ranks(values: list[float]) -> list[float]:
    """Places from 1; equal values share the mean of theirs."""
    return [sum(v < value for v in values) + (sum(v == value for v in values) + 1) / 2 for value in values]


@pytest.mark.parametrize("count", [2, 3, 8])
def test_accuracy_counts_every_row_alike(count):
    predictions, labels = classes(count)
    labels[:50] = 0  # unbalanced: a mean over classes would be another number
    right = sum(p == y for p, y in zip(predictions.tolist(), labels.tolist(), strict=True)) / len(labels)
    assert scores(["accuracy"], count, predictions, labels)["accuracy"] == pytest.approx(right)


def test_f1_of_two_classes_is_that_of_the_second():
    predictions, labels = classes(2)
    expected = naive_f1(predictions.tolist(), labels.tolist(), 1)
    assert scores(["f1"], 2, predictions, labels)["f1"] == pytest.approx(expected)


def test_f1_of_more_classes_is_the_mean_over_them():
    predictions, labels = classes(4)
    expected = sum(naive_f1(predictions.tolist(), labels.tolist(), c) for c in range(4)) / 4
    assert scores(["f1"], 4, predictions, labels)["f1"] == pytest.approx(expected)


def test_matthews_of_two_classes_is_their_correlation():
    predictions, labels = classes(2)
    expected = naive_pearson(predictions.tolist(), labels.tolist())
    assert scores(["matthews"], 2, predictions, labels)["matthews"] == pytest.approx(expected, abs=1e-5)


def test_correlations_of_numbers():
    labels = torch.randint(0, 11, (97,), generator=GENERATOR) / 2  # many are equal
    predictions = labels + torch.randn(97, generator=GENERATOR)
    computed = scores(["pearson", "spearman"], 1, predictions, labels)
    assert computed["pearson"] == pytest.approx(naive_pearson(predictions.tolist(), labels.tolist()), abs=1e-5)
    expected = naive_pearson(ranks(predictions.tolist()), ranks(labels.tolist()))
    assert computed["spearman"] == pytest.approx(expected, abs=1e-5)


def test_scores_of_batches_are_those_of_all_rows():
    predictions, labels = classes(3)
    collection = task_metrics(["accuracy", "f1", "matthews"], 3)
    for first in range(0, 97, 10):
        collection.update(predictions[first : first + 10], labels[first : first + 10])
    computed = {name: float(value) for name, value in collection.compute().items()}
    assert computed == pytest.approx(scores(["accuracy", "f1", "matthews"], 3, predictions, labels))


def test_logits_become_class_numbers_or_numbers():
    logits, rows = np.array([[0.1, 0.9], [0.8, 0.2]], np.float32), Split("validation", ["a", "b"])
    assert CLASSES.answers(rows, logits).tolist() == [1, 0]
    assert NUMBERS.answers(rows, logits[:, :1]).tolist() == pytest.approx([0.1, 0.8])


def test_who_cannot_read_always_says_the_commonest_class():
    split = Split("validation", ["text"] * 4, labels=np.array([2, 0, 2, 1]))
    assert CLASSES.commonest(split).tolist() == [2, 2, 2, 2]
    assert NUMBERS.commonest(split) is None


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("accuracy", NUMBERS, "this task predicts numbers, .* set monitor=spearman and 'metrics="),
        ("pearson", CLASSES, "this task predicts classes, .* set monitor=accuracy"),
        ("bleu", CLASSES, "bleu"),
    ],
)
def test_a_metric_that_does_not_fit_is_refused(name, kind, message):
    with pytest.raises(InputError, match=message):
        kind.check_metrics([name])
