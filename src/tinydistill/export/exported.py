"""Models as PyTorch and as ONNX files, side by side: how large they are, how long they take for an answer."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from tinydistill.export.latency import System, measure, onnx_system, torch_system
from tinydistill.export.size import file_bytes, size, tensor_bytes

PYTORCH = "PyTorch fp32"
RUNTIMES = {"onnx": "ONNX fp32", "onnx_int8": "ONNX int8"}
FLOPS_LENGTH = 128


@dataclass(frozen=True)
class Exported:
    """A model in PyTorch, the files of its weights (none where they are not at hand), and its ONNX files by format."""

    model: PreTrainedModel
    weights: Sequence[Path]
    files: Mapping[str, Path]

    def systems(self) -> dict[str, System]:
        """What answers, by runtime."""
        onnx = {RUNTIMES[name]: onnx_system(file, self.model.config) for name, file in self.files.items()}
        return {PYTORCH: torch_system(self.model), **onnx}

    def sizes(self) -> dict[str, Any]:
        """Parameters, FLOPs of one row of FLOPS_LENGTH word pieces, and bytes by runtime."""
        length = min(FLOPS_LENGTH, self.model.config.max_position_embeddings)
        weights = file_bytes(*self.weights) if self.weights else tensor_bytes(self.model)
        onnx = {RUNTIMES[name]: file_bytes(file) for name, file in self.files.items()}
        return {**asdict(size(self.model, length)), "flops_length": length, "bytes": {PYTORCH: weights, **onnx}}


def timed(
    models: Mapping[str, Exported],
    *,
    threads: Sequence[int | None],
    batch_sizes: Sequence[int],
    lengths: Sequence[int],
    seconds: float,
) -> list[dict[str, Any]]:
    """Milliseconds of every model in every runtime, all by turns, one row a combination of the options."""
    systems = {
        f"{name}, {runtime}": system for name, one in models.items() for runtime, system in one.systems().items()
    }
    measured = measure(systems, thread_counts=threads, batch_sizes=batch_sizes, lengths=lengths, seconds=seconds)
    return [asdict(one) for one in measured]
