"""A model in OpenVINO: made of its ONNX file, and its answers. This module imports no torch."""

import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydistill.export.sessions import Session


def _openvino() -> Any:
    """The package, imported so that it tells nobody that it was, or what it converts.

    Without openvino_telemetry it has a stub in its place.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


@functools.cache
def _core() -> Any:
    """The one core of this process.

    With its first model a core gives the process a stack to handle signals on, and takes it back in the end. Of several
    cores each would put back the one before, freed or not: the next signal would be a segmentation fault.
    """
    return _openvino().Core()


def convert(source: Path, file: Path) -> None:
    """Write an ONNX file in fp32 as OpenVINO's .xml, with its weights in a .bin beside it."""
    model = _core().read_model(source)
    file.parent.mkdir(parents=True, exist_ok=True)
    _openvino().save_model(model, file, compress_to_fp16=False)


class OpenvinoModel(Session):
    """An exported model on the CPU, computing with so many threads; None for all cores.

    Left to itself, OpenVINO takes bfloat16, bf16, where the processor has products in it.
    """

    def __init__(self, file: str | Path, threads: int | None = None, precision: str = "f32"):
        options = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
        # A thread that is held on one core waits there for what else runs on it.
        options["ENABLE_CPU_PINNING"] = "NO"
        if threads:
            options["INFERENCE_NUM_THREADS"] = str(threads)
        self.model = _core().compile_model(file, "CPU", options)
        self.inputs = [one.any_name for one in self.model.inputs]

    def run(self, given: dict[str, NDArray[np.int64]]) -> Sequence[NDArray[np.float32]]:
        """All outputs, in the model's order."""
        outputs: Sequence[NDArray[np.float32]] = self.model(given).to_tuple()
        return outputs
