"""Exports that answer otherwise are refused: as far as the rows can tell, and as far as it matters."""

import numpy as np
import pytest

from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.targets import Target
from tinydistill.errors import InputError
from tinydistill.export.agreement import Agreement, Bounds, agreement
from tinydistill.kinds import kind_of

BOUNDS = Bounds(max_difference=1e-4, least_equal=0.9, least_correlation=0.9, least_cosine=0.9)
LOGITS = np.array([[1.0, 0.0], [0.0, 1.0]])


def compared(exported, original, labels=("no", "yes"), close=0.0) -> Agreement:
    kind, rows = kind_of(Target(labels)), Split("validation", ["text"] * len(original))
    exported, original = ((logits, kind.answers(rows, logits)) for logits in (exported, original))
    return agreement(kind, exported, original, margins=kind.margins(original[0]), close=close)


def test_logits_that_are_close_enough_and_answers_that_are_equal_enough_are_kept():
    BOUNDS.check("model.onnx", compared(LOGITS + 1e-5, LOGITS), int8=False)
    BOUNDS.check("model_quantized.onnx", compared(2 * LOGITS, LOGITS), int8=True)


@pytest.mark.parametrize(
    ("found", "int8", "message"),
    [
        (LOGITS + 1e-3, False, "its logits are 0.001 off, beyond the bound of 0.0001: set max_difference anew"),
        (LOGITS * float("nan"), False, "its logits are nan off"),
        (LOGITS * float("nan"), True, "its logits are nan off"),
        (
            -LOGITS,
            True,
            "it answers clearly otherwise on 2 of 2 rows, too many for a bound of 0.9: set least_equal anew",
        ),
    ],
)
def test_a_broken_bound_is_one_clear_line(found, int8, message):
    with pytest.raises(InputError, match=f"^model.onnx doesn't answer as PyTorch does: {message}"):
        BOUNDS.check("model.onnx", compared(found, LOGITS), int8=int8)


def test_numbers_are_told_by_their_correlation():
    numbers = np.array([[1.0], [2.0], [3.0]])
    with pytest.raises(InputError, match="its numbers correlate -1.0000, .*: set least_correlation anew"):
        BOUNDS.check("model.onnx", compared(-numbers, numbers, ()), int8=True)


def flipped(count: int, rows: int, margin: float, close: float = 0.1) -> Agreement:
    """Of a file that answers otherwise on so many rows, on which the model was sure by so much."""
    gap = np.log((1 + margin) / (1 - margin))
    original = np.tile([gap, 0.0], (rows, 1))
    exported = original.copy()
    exported[:count] = exported[:count, ::-1]
    return compared(exported, original, close=close)


@pytest.mark.parametrize(("count", "rows", "kept"), [(3, 277, True), (8, 277, False), (1, 20, True), (5, 20, False)])
def test_few_rows_that_differ_say_little_and_many_enough(count, rows, kept):
    found = flipped(count, rows, 0.8)
    assert found.equal == pytest.approx(1 - count / rows)
    assert (found.answers, found.clear) == (rows, count)
    bounds = Bounds(1e-4, 0.99, 0.99, 0.98)
    if kept:
        bounds.check("model_quantized.onnx", found, int8=True)
    else:
        with pytest.raises(InputError, match=f"clearly otherwise on {count} of {rows} rows"):
            bounds.check("model_quantized.onnx", found, int8=True)


def test_where_the_model_was_in_two_minds_another_answer_is_as_good():
    found = flipped(100, 277, 0.05)
    assert (found.equal, found.clear) == (pytest.approx(177 / 277), 0)
    assert flipped(100, 277, 0.05, close=0.01).clear == 100


def test_an_export_that_keeps_to_its_bound_is_seldom_refused():
    random = np.random.default_rng(0)
    refused = 0
    for differ in random.binomial(277, 0.01, size=2000):
        try:
            Bounds(1, 0.99, 0.99, 0.98).check("a", Agreement(0.1, 0.9, answers=277, clear=int(differ)), int8=True)
        except InputError:
            refused += 1
    assert refused / 2000 < 0.06
