"""A piece of work that was measured, and what follows from it."""

from dataclasses import dataclass, field
from typing import Any

from tinydistill.benchmarking.gemm import Beside

MEGABYTE = "MB"


@dataclass(frozen=True)
class Piece:
    """So many units in so many seconds.

    Args:
        name: what was done.
        unit: what was counted: word piece, sentence, MB, answer.
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

    @property
    def speed(self) -> float:
        """Units a second."""
        return self.units / self.seconds

    def run_seconds(self, units: float | None = None) -> float | None:
        """How long a whole run takes at this speed, or so many units."""
        amount = self.whole if units is None else units
        return None if amount is None else amount / self.speed

    def figures(self, gemm: Beside, peak_memory: int) -> dict[str, Any]:
        """All of it as JSON has it, beside the machine's matrix products; FLOP a second, bytes, seconds."""
        rate = self.flops / self.seconds
        return {
            "piece": self.name,
            "unit": self.unit,
            "units": self.units,
            "seconds": self.seconds,
            "units_per_second": self.speed,
            "flops_per_unit": self.flops / self.units if self.flops else None,
            "multiple_of_fp32_gemm": gemm.multiple(rate) if self.flops else None,
            "share_of_floor": gemm.share(rate) if self.flops else None,
            "peak_memory": peak_memory,
            "gemm": {"before": gemm.before._asdict(), "after": gemm.after._asdict()},
            "run": {"units": self.whole, "seconds": self.run_seconds()},
            **self.more,
        }
