from typing import Any

import numpy as np
import pytest

from tinydistill.data.tasks import batches
from tinydistill.data.tasks.batches import LengthOrder


def flat(lists: Any) -> list[int]:
    return [int(row) for rows in lists for row in rows]


def test_every_epoch_has_every_row_once_in_another_order() -> None:
    lengths = np.random.default_rng(0).integers(1, 30, 50)
    order = LengthOrder(lengths, batch_size=8, seed=1)

    def epoch(number: int) -> list[list[int]]:
        order.set_epoch(number)
        return [batch.tolist() for batch in order]

    epochs = [epoch(number) for number in range(3)]
    assert all(sorted(flat(seen)) == list(range(50)) for seen in epochs)
    assert len({tuple(flat(seen)) for seen in epochs}) == 3
    assert sorted(map(len, epochs[0])) == [2, 8, 8, 8, 8, 8, 8]
    assert epoch(1) == epochs[1]
    assert order[3].tolist() == epochs[1][3]
    assert epochs[0] != [batch.tolist() for batch in LengthOrder(lengths, 8, seed=2)]
    with pytest.raises(IndexError):
        order[7]


def test_rows_of_like_lengths_come_together_within_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 1000)

    def padding() -> float:
        order = LengthOrder(lengths, batch_size=10, seed=0)
        return sum(int((lengths[batch].max() - lengths[batch]).sum()) for batch in order) / lengths.sum()

    assert padding() < 0.05
    monkeypatch.setattr(batches, "WINDOW", 1)
    assert padding() > 0.5


@pytest.mark.parametrize("count", [48, 50, 49])
def test_ranks_have_disjoint_rows_and_equally_many_batches_of_one_size(count: int) -> None:
    lengths = np.random.default_rng(0).integers(1, 30, count)
    ranks = [list(LengthOrder(lengths, 4, 0, world_size=3, rank=rank)) for rank in range(3)]
    for together in zip(*ranks, strict=True):
        assert len(set(map(len, together))) == 1
    seen = flat(batch for rank in ranks for batch in rank)
    assert set(seen) == set(range(count))
    assert len(seen) == -(-count // 3) * 3
