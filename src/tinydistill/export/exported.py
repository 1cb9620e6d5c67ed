"""Models as PyTorch and as exported files, side by side: how large they are, how long they take for an answer."""

import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from tinydistill.console import Meter
from tinydistill.export.latency import System, file_system, latencies, torch_call
from tinydistill.export.size import file_bytes, size, tensor_bytes
from tinydistill.models.source import longest_input
from tinydistill.models.threads import use_threads

PYTORCH = "PyTorch fp32"
RUNTIMES = {"onnx": "ONNX fp32", "onnx_int8": "ONNX int8", "openvino": "OpenVINO fp32"}
FLOPS_LENGTH = 128


@dataclass(frozen=True)
class Exported:
    """A model in PyTorch, the files of its weights (none where they are not at hand), and those exported, by format."""

    model: PreTrainedModel
    weights: Sequence[Path]
    files: Mapping[str, Path]

    def systems(self) -> dict[str, System]:
        """What answers, by runtime."""
        files = {RUNTIMES[name]: file_system(file, self.model.config) for name, file in self.files.items()}
        return {PYTORCH: lambda _, batch_size, length: torch_call(self.model, batch_size, length), **files}

    def sizes(self) -> dict[str, Any]:
        """Parameters, FLOPs of one row of FLOPS_LENGTH tokens, and bytes by runtime."""
        length = min(FLOPS_LENGTH, longest_input(self.model.config))
        weights = file_bytes(*self.weights) if self.weights else tensor_bytes(self.model)
        files = {RUNTIMES[name]: file_bytes(file) for name, file in self.files.items()}
        return {**size(self.model, length), "flops_length": length, "bytes": {PYTORCH: weights, **files}}


def timed(
    models: Mapping[str, Exported],
    *,
    threads: Sequence[int | None],
    batch_sizes: Sequence[int],
    lengths: Sequence[int],
    seconds: float,
    runtimes: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """Time every model in every runtime, alternating, for full rows: `seconds` for each in each combination of options.

    One entry a combination. `threads` are numbers, or None for all cores; `lengths` are the tokens in a row; `runtimes`
    are those that are timed, where not all.
    """
    systems = {
        f"{name}, {runtime}": call
        for name, one in models.items()
        for runtime, call in one.systems().items()
        if runtimes is None or runtime in runtimes
    }
    counts = dict.fromkeys(count or os.cpu_count() or 1 for count in threads)
    combinations = list(itertools.product(counts, batch_sizes, lengths))
    rows = []
    with Meter("latencies", "combination", len(combinations)) as meter:
        for count, batch_size, length in combinations:
            with use_threads(count):
                calls = {name: system(count, batch_size, length) for name, system in systems.items()}
                latency = latencies(calls, seconds=seconds)
            rows.append({"threads": count, "batch_size": batch_size, "length": length, "latency": latency})
            meter.update(1)
    return rows


def for_one_user(latency: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of what `timed` gives the combination that one user waits for: fewest threads and rows, the longest text."""
    return min(latency, key=lambda row: (row["threads"], row["batch_size"], -row["length"]), default={})


def busy() -> float | None:
    """How many processes wanted each core in the last minute; None on Windows, which can't tell."""
    return round(os.getloadavg()[0] / (os.cpu_count() or 1), 2) if hasattr(os, "getloadavg") else None
