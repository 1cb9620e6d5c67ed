"""Calibration: against torchmetrics and torch, and temperatures that are known."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torchmetrics.functional.classification import multiclass_calibration_error

from tinydistill.certification.calibration import COLDEST, HOTTEST, confidences, ece, fit_temperature, nll


def drawn(rows: int, classes: int, temperature: float, seed: int = 0):
    """Logits that are `temperature` times too large for the labels that were drawn with them."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(rows, classes)) * 2
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    labels = (shares.cumsum(-1) > random.random((rows, 1))).argmax(-1)
    return (temperature * logits).astype(np.float32), labels


def test_the_error_and_the_likelihood_are_those_of_torch():
    logits, labels = drawn(500, 4, 1.7)
    shares, target = torch.tensor(logits).softmax(-1), torch.tensor(labels)
    assert ece(logits, labels) == pytest.approx(
        float(multiclass_calibration_error(shares, target, 4, n_bins=15)), abs=1e-6
    )
    assert nll(logits, labels, 2.0) == pytest.approx(float(F.cross_entropy(torch.tensor(logits) / 2, target)), abs=1e-6)
    assert confidences(logits, 2.0) == pytest.approx((torch.tensor(logits) / 2).softmax(-1).amax(-1).numpy(), abs=1e-6)


@pytest.mark.parametrize("known", [0.5, 1.0, 3.0])
def test_a_temperature_that_is_known_is_found_and_calibrates_other_rows(known):
    found = fit_temperature(*drawn(20_000, 3, known))
    assert found == pytest.approx(known, rel=0.05)
    others = drawn(20_000, 3, known, seed=1)
    assert ece(*others, found) < 0.012
    assert known == 1 or nll(*others, found) < nll(*others)


def test_the_temperature_is_the_best_there_is():
    logits, labels = drawn(300, 5, 2.2)
    best = fit_temperature(logits, labels)
    assert all(nll(logits, labels, best) <= nll(logits, labels, best * factor) for factor in (0.5, 0.97, 1.03, 2))


def test_models_that_are_always_right_or_always_wrong_stay_within_the_bounds():
    logits = np.eye(3, dtype=np.float32)
    assert fit_temperature(logits, np.arange(3)) == pytest.approx(COLDEST)
    assert fit_temperature(logits, (np.arange(3) + 1) % 3) == pytest.approx(HOTTEST)
    assert np.isfinite(nll(np.array([[1e4, -1e4]]), np.array([1])))
