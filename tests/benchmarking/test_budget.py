"""Lengths that fit into a time: seconds and bounds in, passes out."""

import pytest

from tinydistill.benchmarking.budget import SHARE, Part, TooShortError, allot, expected

ONCE = 10.0
TEACHER = Part(10.0, least=2, default=5, most=5)
PREDICTION = Part(2.0, least=1, default=10, most=30)
INTERMEDIATE = Part(5.0, least=0, default=4, most=8)
BASELINE = Part(4.0, least=0, default=10, most=10, whole=True)
NEW = {"teacher": TEACHER, "prediction": PREDICTION, "intermediate": INTERMEDIATE, "baseline": BASELINE}
TUNED = {name: part for name, part in NEW.items() if name != "teacher"}
SET = {**NEW, "intermediate": Part(5.0, 3, 3, 3), "prediction": Part(2.0, 6, 6, 6)}
WITH_A_FREE_TEACHER = {**NEW, "teacher": Part(0.0, 5, 5, 5)}


def lengths(teacher: int | None, prediction: int, intermediate: int, baseline: int) -> dict[str, int]:
    named = {"teacher": teacher, "prediction": prediction, "intermediate": intermediate, "baseline": baseline}
    return {name: passes for name, passes in named.items() if passes is not None}


@pytest.mark.parametrize(
    ("parts", "seconds", "planned"),
    [
        pytest.param(NEW, 32, lengths(2, 1, 0, 0), id="just the least that works"),
        pytest.param(NEW, 43, lengths(3, 1, 0, 0), id="the teacher comes first"),
        pytest.param(NEW, 61, lengths(4, 5, 0, 0), id="what is too little for the teacher is the prediction phase's"),
        pytest.param(NEW, 80, lengths(5, 10, 0, 0), id="teacher and prediction phase as long as is enough"),
        pytest.param(NEW, 91, lengths(5, 10, 2, 0), id="then the intermediate phase, as far as it goes"),
        pytest.param(NEW, 139, lengths(5, 29, 4, 0), id="a baseline that doesn't fit as a whole is left out"),
        pytest.param(NEW, 140, lengths(5, 10, 4, 10), id="one that fits is there at its length"),
        pytest.param(NEW, 190, lengths(5, 30, 6, 10), id="ample: more passes of prediction, then of the layers"),
        pytest.param(NEW, 9999, lengths(5, 30, 8, 10), id="there is an end to what helps"),
        pytest.param(TUNED, 12, lengths(None, 1, 0, 0), id="a teacher that is there takes no time"),
        pytest.param(TUNED, 50, lengths(None, 10, 4, 0), id="which leaves it to the student"),
        pytest.param(WITH_A_FREE_TEACHER, 12, lengths(5, 1, 0, 0), id="nor does one that was fine-tuned before"),
        pytest.param(SET, 57, lengths(2, 6, 3, 0), id="lengths that are set are kept and counted"),
        pytest.param(SET, 9999, lengths(5, 6, 3, 10), id="and no longer where there is time"),
    ],
)
def test_what_is_worth_most_is_planned_first(parts, seconds, planned):
    budget = seconds / SHARE + 1e-6
    passes = allot(budget, ONCE, parts)
    assert passes == planned
    assert expected(ONCE, parts, passes) <= SHARE * budget


@pytest.mark.parametrize(("parts", "least"), [(NEW, 32), (TUNED, 12), (SET, 57)])
def test_where_not_even_the_least_fits_the_time_that_it_takes_is_named(parts, least):
    with pytest.raises(TooShortError) as raised:
        allot(0.9 * least, ONCE, parts)
    assert raised.value.needed == pytest.approx(least / SHARE)
    assert allot(raised.value.needed + 1e-6, ONCE, parts) == {name: part.least for name, part in parts.items()}
