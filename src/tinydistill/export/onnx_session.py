"""Answers of an ONNX file by onnxruntime alone: this module imports no torch.

B: rows in a batch, L: tokens in a row, C: outputs of the prediction layer.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray


class OnnxModel:
    """An exported model on the CPU, computing with so many threads; None for all cores."""

    def __init__(self, file: str | Path, threads: int | None = None):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.log_severity_level = 3  # errors
        # Threads that wait for work leave the cores to others, such as a model that is timed beside this one.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        self.inputs = [one.name for one in self.session.get_inputs()]

    def __call__(self, batch: Mapping[str, Any]) -> NDArray[np.float32]:
        """The logits [B, C] or [B, L, C] of input_ids, attention_mask and, where there are some, token_type_ids [B, L].

        Token types are 0 where none are given; what else the batch holds is left alone.
        """
        rest = {"token_type_ids": np.zeros_like(np.asarray(batch["input_ids"]))}
        given = {name: np.asarray(batch[name] if name in batch else rest[name], np.int64) for name in self.inputs}
        outputs: list[NDArray[np.float32]] = self.session.run(None, given)
        return outputs[0] if len(outputs) == 1 else np.stack(outputs, -1)
