"""Answers of models side by side, timed."""

from collections.abc import Mapping

from transformers import PreTrainedModel

from tinydistill.benchmarking.piece import Piece
from tinydistill.export.latency import latencies, torch_call
from tinydistill.export.size import size


def measure_latency(models: Mapping[str, PreTrainedModel], length: int, *, seconds: float) -> list[Piece]:
    """Time models with heads on one row of so many tokens, alternating; by what they are called."""
    calls = {name: torch_call(model, 1, length) for name, model in models.items()}
    timed = latencies(calls, seconds=seconds / len(calls))
    return [
        Piece(
            f"latency, {name}",
            "answer",
            1,
            timed[name]["median"] / 1000,
            size(model, length)["flops"],
            more={"length": length, "milliseconds": timed[name]["median"], "milliseconds_p95": timed[name]["p95"]},
        )
        for name, model in models.items()
    ]
