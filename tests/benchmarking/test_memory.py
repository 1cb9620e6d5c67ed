"""Peaks of memory that belong to the work they are named after."""

import platform

import pytest
import torch

from tinydistill.benchmarking import memory

CPU = torch.device("cpu")
MEGABYTES = 200


def fill() -> None:
    torch.ones(MEGABYTES * 250_000)


def test_a_peak_is_seen_after_what_it_was_for_is_gone():
    memory.restart(CPU)
    before = memory.peak(CPU)
    fill()
    assert memory.peak(CPU) >= before + 0.8e6 * MEGABYTES


@pytest.mark.skipif(platform.system() != "Linux", reason="elsewhere the peak is the process's so far")
def test_a_new_start_forgets_the_peak_before():
    fill()
    high = memory.peak(CPU)
    if not memory.restart(CPU):
        pytest.skip("this system doesn't reset it")
    assert memory.peak(CPU) <= high - 0.5e6 * MEGABYTES
