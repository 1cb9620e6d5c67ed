"""What follows from units and seconds, and what is shown of it."""

import pytest
import torch

from tinydistill.benchmarking import gemm
from tinydistill.benchmarking.gemm import Beside, Rates
from tinydistill.benchmarking.piece import Piece, measure, show

GEMM = Beside(Rates(100.0, 400.0), Rates(100.0, 400.0))


def test_speed_multiple_share_and_the_time_of_a_run():
    figures = Piece("general", "token", units=50, seconds=10, flops=2000, whole=600, more={"steps": 5}).figures(GEMM, 7)
    assert figures["units_per_second"] == 5
    assert figures["flops_per_unit"] == 40
    assert figures["multiple_of_fp32_gemm"] == pytest.approx(5 * 40 / 100)
    assert figures["share_of_floor"] == pytest.approx(5 * 40 / 400)
    assert figures["run"] == {"units": 600, "seconds": 120}
    assert (figures["peak_memory"], figures["steps"]) == (7, 5)


def test_a_speed_is_held_against_the_mean_of_before_and_after():
    rates = Beside(Rates(100.0, 300.0), Rates(200.0, 500.0))
    figures = Piece("general", "token", units=1, seconds=1, flops=300).figures(rates, 0)
    assert figures["multiple_of_fp32_gemm"] == 2.0
    assert figures["share_of_floor"] == 0.75
    slow = Beside(Rates(100.0, 10.0), Rates(100.0, 10.0))  # where bf16 is slow, fp32 is the floor
    assert Piece("general", "token", units=1, seconds=1, flops=50).figures(slow, 0)["share_of_floor"] == 0.5


def test_what_is_not_known_is_none():
    figures = Piece("tokenization", "MB", units=4, seconds=2).figures(GEMM, 0)
    assert figures["units_per_second"] == 2
    assert figures["run"] == {"units": None, "seconds": None}
    assert figures["flops_per_unit"] is figures["multiple_of_fp32_gemm"] is figures["share_of_floor"] is None


def test_answers_are_measured_on_one_thread_and_all_of_it_is_shown(monkeypatch, capsys):
    monkeypatch.setattr(gemm, "SIDES", {"cpu": 8})
    threads = []

    def work():
        threads.append(torch.get_num_threads())
        return [Piece("latency, teacher", "answer", 1, 0.01, 5e6), Piece("general", "token", 2000, 1.0, whole=1e6)]

    figures = measure("latency", work, torch.device("cpu"), seconds=0.1)
    assert threads == [1]
    assert all(row["peak_memory"] > 0 and row["gemm"]["before"]["fp32"] > 0 for row in figures)
    show(figures)
    shown = " ".join(capsys.readouterr().out.split())
    assert "latency, teacher 100 answers 5.0" in shown
    assert "general 2.0 k tokens - - -" in shown
    assert "general 1.0 M tokens 8:20" in shown
