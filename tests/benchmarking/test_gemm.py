"""The rate of matrix products, around some work."""

import pytest
import torch

from tinydistill.benchmarking import gemm
from tinydistill.benchmarking.gemm import beside, gemm_rate


@pytest.fixture
def clock(monkeypatch):
    """A clock that is a second further at every look, and products that are counted."""
    seconds, products = iter(range(1000)), []
    monkeypatch.setattr(gemm, "SIDES", {"cpu": 8})
    monkeypatch.setattr(gemm.time, "perf_counter", lambda: next(seconds))
    multiply = torch.mm
    monkeypatch.setattr(
        torch, "mm", lambda *args, **kwargs: (products.append(args[0].dtype), multiply(*args, **kwargs))
    )
    return products


def test_the_rate_is_flops_over_time_without_the_first_product(clock):
    rate = gemm_rate(torch.float32, seconds=5)
    counted = len(clock) - 1
    looks = counted + 2  # one before each further product and two around the loop
    assert counted > 1
    assert rate == pytest.approx(2 * counted * 8**3 / looks, rel=0.3)


def test_work_stands_between_two_measurements_in_both_precisions(clock):
    seen = []
    done, rates = beside(lambda: seen.append(len(clock)) or "done", seconds=2)
    assert done == "done"
    half = seen[0]
    for part in (clock[:half], clock[half:]):
        assert set(part) == {torch.float32, torch.bfloat16}
    assert min(*rates.before, *rates.after) > 0
