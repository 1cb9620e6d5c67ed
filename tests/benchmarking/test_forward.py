"""Forward passes timed as they happen."""

import torch

from tinydistill.benchmarking.forward import measure_forward
from tinydistill.benchmarking.piece import MEDIAN

BATCHES = [{"attention_mask": torch.tensor([[1, 1, 0]])}, {"attention_mask": torch.tensor([[1, 1, 1]])}]


def test_batches_are_handed_on_over_and_over_and_all_but_the_first_are_timed():
    seen = []
    piece = measure_forward("answers", lambda batches: seen.extend(batches), BATCHES, seconds=0)
    assert len(seen) == 4
    assert (piece.unit, piece.units, piece.more["batches"]) == ("token", 3 + 2 + 3, 3)
    assert piece.more[MEDIAN] > 0


def test_a_single_batch_is_enough():
    assert measure_forward("answers", list, BATCHES[:1], seconds=0).units == 6
