"""Which classes are taken for which: scikit-learn's figures, and a line for a class that is never predicted."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score, precision_score, recall_score

from tinydistill.kinds.confusion import Confusion

NAMES = ("bad", "neutral", "good")


@pytest.mark.parametrize("seed", range(20))
def test_figures_are_those_of_scikit_learn(seed):
    random = np.random.default_rng(seed)
    labels, answers = random.integers(0, 3, 50), random.integers(0, 3, 50)
    found = Confusion.of(NAMES, labels, answers)
    assert (found.counts == confusion_matrix(labels, answers)).all()
    assert found.recall == pytest.approx(recall_score(labels, answers, average=None))
    assert found.precision == pytest.approx(precision_score(labels, answers, average=None))
    assert found.macro_f1 == pytest.approx(f1_score(labels, answers, average="macro"))
    assert Confusion.read(found.as_json()).as_json() == found.as_json()


def test_a_class_that_is_never_predicted_is_named_with_its_rows():
    labels = np.array([0] * 40 + [1] * 24 + [2] * 30)
    found = Confusion.of(NAMES, labels, np.where(labels == 1, 2, labels))
    assert found.never == ["neutral"]
    assert found.warning() == "never predicts neutral (24 rows)"
    assert found.recall.tolist() == [1, 0, 1]
    assert np.isnan(found.precision[1])
    assert found.macro_f1 == pytest.approx((1 + 0 + 60 / 84) / 3)


def test_a_class_without_rows_is_no_cause_for_a_warning_and_counts_in_no_mean():
    found = Confusion.of(NAMES, np.array([0, 0, 2]), np.array([0, 0, 2]))
    assert found.warning() is None
    assert np.isnan(found.recall[1])
    assert found.macro_f1 == 1
