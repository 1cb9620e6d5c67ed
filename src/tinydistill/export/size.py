"""How large a model is, and how much it computes.

B: rows in a batch, L: tokens in a row.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel

from tinydistill.export.latency import random_inputs
from tinydistill.models import attention
from tinydistill.models import loading as models

PARTS = ("embedding", "encoder", "head")


@dataclass(frozen=True)
class Size:
    """Parameters of the embedding layer, the Transformer layers and what is on top of them; FLOPs of an answer."""

    embedding: int
    encoder: int
    head: int
    flops: int


def size(model: PreTrainedModel, length: int) -> Size:
    """The model's size, with the FLOPs of one row of L tokens: two for each product in a matrix product."""
    embedding = encoder = 0
    for name, tensor in model.base_model.named_parameters():
        if name.startswith("embeddings"):
            embedding += tensor.numel()
        elif not name.startswith("pooler"):
            encoder += tensor.numel()
    return Size(embedding, encoder, models.parameters(model) - embedding - encoder, _flops(model, length))


def _flops(model: PreTrainedModel, length: int) -> int:
    with attention.eager(model), torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.eval()(**random_inputs(model.config, 1, length))
    return int(counter.get_total_flops())


def tensor_bytes(model: PreTrainedModel) -> int:
    """Bytes of the weights as they are in memory."""
    return sum(tensor.nbytes for tensor in model.state_dict().values())


def file_bytes(*files: Path) -> int:
    """Bytes on disk, with what an ONNX file keeps beside itself because it is too large for one."""
    return sum(part.stat().st_size for file in files for part in file.parent.glob(f"{file.name}*"))
