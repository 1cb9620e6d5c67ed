"""Which of several rates a teacher takes."""

import pytest

from tinydistill.training.trials import best, lengths, shortened


@pytest.mark.parametrize(("epochs", "batches"), [(2, 2_000), (8, 300), (25, 100), (10, 7)])
def test_a_short_trial_is_a_tenth_of_the_batches(epochs, batches):
    passes, share = shortened(epochs, batches)
    assert 0 < share <= 1
    assert passes * share * batches == pytest.approx(epochs * batches / 10)


def test_a_short_trial_has_a_batch_at_least():
    assert shortened(2, 3) == (1, 1 / 3)


@pytest.mark.parametrize(("rates", "short", "times"), [(1, True, 1), (1, False, 1), (3, False, 3), (3, True, 1.3)])
def test_trials_take_as_long_as_the_trainings_that_they_are(rates, short, times):
    assert lengths(rates, short=short) == pytest.approx(times)


def test_the_best_selection_score_is_taken_whatever_the_others_are():
    def trials(*scores):
        return [{"selection_score": chosen, "score": reported} for chosen, reported in scores]

    assert best(trials((0.7, 0.9), (0.8, 0.6), (0.8, 0.7))) == 1
    assert best(trials((None, 0.9), (-0.1, 0.1))) == 1
