"""Exports that answer otherwise are refused."""

import numpy as np
import pytest

from tinydistill.data.tasks.examples import Split, Target
from tinydistill.errors import InputError
from tinydistill.export.agreement import Agreement, Bounds, agreement
from tinydistill.kinds import kind_of

BOUNDS = Bounds(max_difference=1e-4, least_equal=0.9, least_correlation=0.9, least_cosine=0.9)
LOGITS = np.array([[1.0, 0.0], [0.0, 1.0]])


def compared(exported, original, labels=("no", "yes")) -> Agreement:
    kind, rows = kind_of(Target(labels)), Split("validation", ["text"] * len(original))
    exported, original = ((logits, kind.answers(rows, logits)) for logits in (exported, original))
    return agreement(kind, exported, original)


def test_logits_that_are_close_enough_and_answers_that_are_equal_enough_are_kept():
    BOUNDS.check("model.onnx", compared(LOGITS + 1e-5, LOGITS), int8=False)
    BOUNDS.check("model_int8.onnx", compared(2 * LOGITS, LOGITS), int8=True)


@pytest.mark.parametrize(
    ("found", "int8", "message"),
    [
        (LOGITS + 1e-3, False, "its logits are 0.001 off, beyond the bound of 0.0001: set max_difference anew"),
        (LOGITS * float("nan"), False, "its logits are nan off"),
        (-LOGITS, True, "it answers alike on 0.00% of the rows, beyond the bound of 0.9: set least_equal anew"),
    ],
)
def test_a_broken_bound_is_one_clear_line(found, int8, message):
    with pytest.raises(InputError, match=f"^model.onnx doesn't answer as PyTorch does: {message}"):
        BOUNDS.check("model.onnx", compared(found, LOGITS), int8=int8)


def test_numbers_are_told_by_their_correlation():
    numbers = np.array([[1.0], [2.0], [3.0]])
    with pytest.raises(InputError, match="its numbers correlate -1.0000, .*: set least_correlation anew"):
        BOUNDS.check("model.onnx", compared(-numbers, numbers, ()), int8=True)
