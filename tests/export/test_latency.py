"""How latencies are measured: by a clock that stands still unless something is computed."""

import itertools

import pytest

from tinydistill.export.latency import latencies, longest_timing


@pytest.mark.parametrize(
    "laps",
    [
        pytest.param([0.01], id="an answer that always takes as long"),
        pytest.param([0.01, 0.002, 0.006], id="one that varies"),
        pytest.param([0.002] * 6 + [0.01] * 40, id="one that is fast for a moment, so that it is timed again"),
        pytest.param([3.0], id="one that takes longer than it is to be timed"),
    ],
)
@pytest.mark.parametrize("seconds", [0.0, 0.1, 1.0])
def test_timing_takes_no_longer_than_is_expected_of_the_slowest_answers(laps, seconds):
    now, each = 0.0, itertools.cycle(laps)

    def call() -> None:
        nonlocal now
        now += next(each)

    latencies({"one": call, "other": call}, seconds=seconds, clock=lambda: now)
    assert now <= 2 * longest_timing(max(laps), seconds=seconds) + 1e-9
    assert now >= longest_timing(min(laps), seconds=seconds) / 2
