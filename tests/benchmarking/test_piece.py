"""What follows from units and seconds."""

import pytest

from tinydistill.benchmarking.gemm import Beside, Rates
from tinydistill.benchmarking.piece import Piece

GEMM = Beside(Rates(100.0, 400.0), Rates(100.0, 400.0))


def test_speed_multiple_share_and_the_time_of_a_run():
    piece = Piece("general", "word piece", units=50, seconds=10, flops=2000, whole=600, more={"steps": 5})
    assert piece.speed == 5
    assert piece.run_seconds() == 120
    assert piece.run_seconds(1e6) == 200_000
    figures = piece.figures(GEMM, peak_memory=7)
    assert figures["flops_per_unit"] == 40
    assert figures["multiple_of_fp32_gemm"] == pytest.approx(5 * 40 / 100)
    assert figures["share_of_floor"] == pytest.approx(5 * 40 / 400)
    assert figures["run"] == {"units": 600, "seconds": 120}
    assert (figures["peak_memory"], figures["steps"]) == (7, 5)


def test_what_is_not_known_is_none():
    figures = Piece("tokenisation", "MB", units=4, seconds=2).figures(GEMM, 0)
    assert figures["units_per_second"] == 2
    assert figures["run"] == {"units": None, "seconds": None}
    assert figures["flops_per_unit"] is figures["multiple_of_fp32_gemm"] is figures["share_of_floor"] is None
