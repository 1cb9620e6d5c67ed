"""Sessions that run an exported model, whichever its runtime. This module imports no torch.

B: rows in a batch, L: tokens in a row, C: outputs of the prediction layer.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Session(ABC):
    """An exported model on the CPU."""

    inputs: Sequence[str]
    """The names of the tensors [B, L] that it reads."""

    def __call__(self, batch: Mapping[str, Any]) -> NDArray[np.float32]:
        """The logits [B, C] or [B, L, C] of input_ids, attention_mask and, where there are some, token_type_ids [B, L].

        Token types are 0 where none are given; what else the batch holds is left alone.
        """
        rest = {"token_type_ids": np.zeros_like(np.asarray(batch["input_ids"]))}
        given = {name: np.asarray(batch[name] if name in batch else rest[name], np.int64) for name in self.inputs}
        outputs = self.run(given)
        return outputs[0] if len(outputs) == 1 else np.stack(outputs, -1)

    @abstractmethod
    def run(self, given: dict[str, NDArray[np.int64]]) -> Sequence[NDArray[np.float32]]:
        """All outputs for exactly these inputs, in the model's order."""


def session(file: Path, threads: int | None = None) -> Session:
    """The session of an exported file, computing with so many threads; None for all cores."""
    if file.suffix == ".xml":
        from tinydistill.export.openvino_model import OpenvinoModel  # where it is installed

        return OpenvinoModel(file, threads)
    from tinydistill.export.onnx_session import OnnxModel  # where onnxruntime is installed

    return OnnxModel(file, threads)


def parts(file: Path) -> list[Path]:
    """The file with those that stand beside it: OpenVINO's weights, or what is too large for one ONNX file."""
    weights = [file.with_suffix(".bin")] if file.suffix == ".xml" else []
    return [*sorted(file.parent.glob(f"{file.name}*")), *weights]
