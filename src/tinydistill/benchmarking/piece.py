"""A piece of work: measured beside the machine's matrix products, and what follows from that."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from tinydistill.benchmarking import memory
from tinydistill.benchmarking.gemm import Beside, beside
from tinydistill.console import count, duration, say, table
from tinydistill.models.threads import use_threads

PIECES = ("general", "finetune", "intermediate", "prediction", "augmentation", "tokenization", "latency")
MEGABYTE = "MB"
MEDIAN = "median_units_per_second"  # a figure beside the mean, of steps: what else the machine does moves it less
_ON_PROCESSOR, _ONE_THREAD = ("tokenization", "latency"), ("latency",)
_GEMM_SHARE, _GEMM_SECONDS = 1 / 16, 0.5  # of a piece's time, and at most: each rate, before and after


@dataclass(frozen=True)
class Piece:
    """So many units in so many seconds.

    Args:
        name: what was done.
        unit: what was counted: token, row, MB, answer.
        units: how many.
        seconds: how long that took.
        flops: of the matrix products in it; 0 where there are none.
        whole: units of a whole run of the current settings; None where that isn't known.
        more: other figures, by name.
    """

    name: str
    unit: str
    units: float
    seconds: float
    flops: float = 0.0
    whole: float | None = None
    more: dict[str, Any] = field(default_factory=dict)

    def figures(self, gemm: Beside, peak_memory: int | None) -> dict[str, Any]:
        """All of it as JSON has it, beside the machine's matrix products; FLOP a second, bytes, seconds."""
        speed, rate = self.units / self.seconds, self.flops / self.seconds
        return {
            "piece": self.name,
            "unit": self.unit,
            "units": self.units,
            "seconds": self.seconds,
            "units_per_second": speed,
            "flops_per_unit": self.flops / self.units if self.flops else None,
            "multiple_of_fp32_gemm": rate / gemm.mean.fp32 if self.flops else None,
            "share_of_floor": rate / max(gemm.mean) if self.flops else None,
            "peak_memory": peak_memory,
            "gemm": {"before": gemm.before._asdict(), "after": gemm.after._asdict()},
            "run": {"units": self.whole, "seconds": None if self.whole is None else self.whole / speed},
            **self.more,
        }


def measure(name: str, work: Callable[[], list[Piece]], device: torch.device, seconds: float) -> list[dict[str, Any]]:
    """The figures of one of PIECES: what `work` measures in so many seconds, between rates of matrix products."""
    used = torch.device("cpu") if name in _ON_PROCESSOR else device

    def watched() -> tuple[list[Piece], int | None, bool]:
        of_piece = memory.restart(used)
        return work(), memory.peak(used), of_piece

    with use_threads(1 if name in _ONE_THREAD else None):
        (done, peak, of_piece), gemm = beside(watched, used, seconds=min(_GEMM_SECONDS, _GEMM_SHARE * seconds))
    return [{**piece.figures(gemm, peak), "peak_memory_is_of_piece": of_piece} for piece in done]


def show(figures: Sequence[dict[str, Any]]) -> None:
    """Print the speeds, and how long a run takes at them."""
    table(
        "speed",
        ("", "a second", "MFLOP each", "x fp32 GEMM", "of floor", "peak GB", "fp32 GEMM", "bf16 GEMM"),
        [_speed(row) for row in figures],
    )
    say("GEMM: GFLOP/s before and after the piece; floor: all matrix products at the better of both rates")
    if runs := [_run(row) for row in figures if row["unit"] != "answer"]:
        table("a run of these settings here", ("", "work", "time"), runs, words=2)


def _speed(row: dict[str, Any]) -> tuple[str, ...]:
    before, after = row["gemm"]["before"], row["gemm"]["after"]
    gemm = [f"{before[name] / 1e9:.0f}, {after[name] / 1e9:.0f}" for name in ("fp32", "bf16")]
    beside_gemm = ("-", "-", "-")
    if row["flops_per_unit"] is not None:
        multiple, share = row["multiple_of_fp32_gemm"], row["share_of_floor"]
        beside_gemm = (f"{row['flops_per_unit'] / 1e6:,.1f}", f"{multiple:.2f}", f"{share:.0%}")
    speed = _amount(row["units_per_second"], row["unit"])
    peak = "-" if row["peak_memory"] is None else f"{row['peak_memory'] / 1e9:.2f}"
    return row["piece"], speed, *beside_gemm, peak, *gemm


def _run(row: dict[str, Any]) -> tuple[str, str, str]:
    if (units := row["run"]["units"]) is not None:
        return row["piece"], _amount(units, row["unit"]), duration(row["run"]["seconds"])
    units = 1e3 if row["unit"] == MEGABYTE else 1e6
    return row["piece"], f"each {_amount(units, row['unit'])}", duration(units / row["units_per_second"])


def _amount(number: float, unit: str) -> str:
    shown = count(number) if number >= 100 else f"{number:.3g}"
    return f"{shown} {unit}" + ("" if unit == MEGABYTE else "s")
