"""Answers of an ONNX file by onnxruntime alone: this module imports no torch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from tinydistill.export.sessions import Session


class OnnxModel(Session):
    """An exported model on the CPU, computing with so many threads; None for all cores."""

    def __init__(self, file: str | Path, threads: int | None = None):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.log_severity_level = 3  # errors
        # Threads that wait for work leave the cores to others, such as a model that is timed beside this one.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        self.inputs = [one.name for one in self.session.get_inputs()]

    def run(self, given: dict[str, NDArray[np.int64]]) -> Sequence[NDArray[np.float32]]:
        """All outputs, in the model's order."""
        outputs: Sequence[NDArray[np.float32]] = self.session.run(None, given)
        return outputs
