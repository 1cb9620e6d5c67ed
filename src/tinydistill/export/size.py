"""How large a model is, and how much it computes.

B: rows in a batch, L: tokens in a row.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel

from tinydistill.export.latency import random_inputs
from tinydistill.export.sessions import parts
from tinydistill.models import attention
from tinydistill.models import loading as models

PARTS = ("embedding", "encoder", "head")


def whole(sizes: Mapping[str, Any]) -> int:
    """All parameters of a model, of which `size` says how many each part has."""
    return sum(sizes[part] for part in PARTS)


def size(model: PreTrainedModel, length: int) -> dict[str, int]:
    """Parameters of the embedding layer, the Transformer layers (`encoder`) and what is on top of them (`head`).

    `flops` are those of an answer to one row of L tokens: two for each product in a matrix product.
    """
    embedding = encoder = 0
    for name, tensor in model.base_model.named_parameters():
        if name.startswith("embeddings"):
            embedding += tensor.numel()
        elif not name.startswith("pooler"):
            encoder += tensor.numel()
    head = models.parameters(model) - embedding - encoder
    with attention.eager(model), _frozen(model), torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.eval()(**random_inputs(model.config, 1, length))
    return {"embedding": embedding, "encoder": encoder, "head": head, "flops": int(counter.get_total_flops())}


@contextmanager
def _frozen(model: PreTrainedModel) -> Iterator[None]:
    """Without gradients: what torch.jit has compiled of DeBERTa has some all the same, on which the counter trips."""
    learned = [weight for weight in model.parameters() if weight.requires_grad]
    model.requires_grad_(False)
    try:
        yield
    finally:
        for weight in learned:
            weight.requires_grad_(True)


def tensor_bytes(model: PreTrainedModel) -> int:
    """Bytes of the weights as they are in memory."""
    return sum(tensor.nbytes for tensor in model.state_dict().values())


def file_bytes(*files: Path) -> int:
    """Bytes on disk, with the parts that stand beside a file."""
    return sum(part.stat().st_size for file in files for part in parts(file))
