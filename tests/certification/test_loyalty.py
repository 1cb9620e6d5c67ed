"""How far answers are alike: against scipy, and by hand."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.special import softmax

from tinydistill.certification.loyalty import flips, probability_loyalty


def test_loyalty_is_one_less_the_jensen_shannon_distance():
    ours, theirs = np.random.default_rng(0).normal(size=(2, 200, 5)) * 3
    distances = jensenshannon(softmax(ours, -1), softmax(theirs, -1), base=2, axis=-1)
    assert probability_loyalty(ours, theirs) == pytest.approx(1 - distances.mean(), abs=1e-9)
    assert probability_loyalty(ours, theirs) == pytest.approx(probability_loyalty(theirs, ours))


def test_loyalty_goes_from_nothing_in_common_to_the_same():
    sure = np.array([[1e4, 0.0], [0.0, 1e4]])
    assert probability_loyalty(sure, sure[::-1]) == pytest.approx(0)
    assert probability_loyalty(sure, sure + 5) == pytest.approx(1)


def test_flips_are_told_by_who_is_right():
    student, teacher = np.array([0, 1, 0, 1, 2, 2]), np.array([0, 0, 1, 2, 1, 2])
    labels = np.array([0, 0, 0, 0, 2, 0])
    found = flips(student == labels, teacher == labels, student == teacher)
    assert found.negative.tolist() == [False, True, False, False, False, False]
    assert found.positive.tolist() == [False, False, True, False, True, False]
    assert found.both_wrong.tolist() == [False, False, False, True, False, False]
    assert (found.negative | found.positive | found.both_wrong).tolist() == (student != teacher).tolist()
