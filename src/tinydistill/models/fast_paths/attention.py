"""How encoders attend here: the fused kernel, except where a few matrix products are faster.

B: batch, H: heads, L: length, d: head size.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from tinydistill.models.fast_paths import cpu_kernels as kernels

NAME = "tinydistill"

_LONGEST = 1024  # nowhere up to there is the fused kernel faster (benchmarks/attention.py)
_SCORES = 2**21  # computed at a time: they stay in a processor's cache


def attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> tuple[Tensor, None]:
    """What transformers asks of an attention: the output [B, L, H, d] for query, key and value [B, H, L, d].

    On processors, whose fused kernel is slow in bf16 (backward above all), bf16 is attended with in matrix products.
    """
    kwargs.pop("output_attentions", None)  # SDPA would warn that it has no maps to give; none are wanted
    if not _in_products(module, query, key, kwargs):
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    scale = kwargs.get("scaling") or query.shape[-1] ** -0.5
    output_BHLd = _Products.apply(query, key, value, attention_mask, scale)
    return output_BHLd.transpose(1, 2), None


def use(model: PreTrainedModel) -> PreTrainedModel:
    """Lets a model attend in this way, in place, where its architecture can be told how."""
    if modules(model):
        model.set_attn_implementation(NAME)
    return model


@contextmanager
def eager(model: PreTrainedModel) -> Iterator[None]:
    """Lets a model attend in the plain operations that exporters and counters see into, then as before."""
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def modules(model: PreTrainedModel) -> list[nn.Module]:
    """The self-attention modules of an encoder in order; empty where its architecture doesn't declare them."""
    recorded = (getattr(model, "_can_record_outputs", None) or {}).get("attentions")
    if not (isinstance(recorded, type) and issubclass(recorded, nn.Module)):
        return []
    return [module for module in model.modules() if isinstance(module, recorded)]


def _in_products(module: nn.Module, query: Tensor, key: Tensor, kwargs: dict[str, Any]) -> bool:
    asked = kwargs.get("dropout") or kwargs.get("is_causal") or kwargs.get("position_bias") is not None
    grouped = getattr(module, "num_key_value_groups", 1) > 1
    fits = query.dtype == torch.bfloat16 and query.is_cpu and query.shape == key.shape and query.shape[-2] <= _LONGEST
    return kernels.fast() and fits and not asked and not grouped


class _Products(torch.autograd.Function):
    """Attention a few rows of the batch at a time; the scores aren't kept, the backward pass computes them again."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
        ctx.save_for_backward(query, key, value, mask)
        ctx.scale = scale
        output = torch.empty_like(query)
        with torch.autocast("cpu", enabled=False):
            for rows in _parts(query):
                output[rows] = _attended(query[rows], key[rows], value[rows], _of(mask, rows), scale)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        *inputs, mask = ctx.saved_tensors
        gradients = [torch.empty_like(x) for x in inputs]
        with torch.autocast("cpu", enabled=False):
            for rows in _parts(gradient):
                query, key, value = (x[rows].detach().requires_grad_() for x in inputs)
                with torch.enable_grad():
                    output = _attended(query, key, value, _of(mask, rows), ctx.scale)
                parts = torch.autograd.grad(output, (query, key, value), gradient[rows])
                for whole, part in zip(gradients, parts, strict=True):
                    whole[rows] = part
        return *gradients, None, None


def _parts(x_BHLd: Tensor) -> list[slice]:
    batch, heads, length, _ = x_BHLd.shape
    rows = max(1, _SCORES // (heads * length * length))
    return [slice(first, first + rows) for first in range(0, batch, rows)]


def _of(mask: Tensor | None, rows: slice) -> Tensor | None:
    return mask if mask is None or len(mask) == 1 else mask[rows]


def _attended(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    scores_BHLL = query * scale @ key.transpose(-1, -2)
    if mask is not None:
        lowest = torch.finfo(scores_BHLL.dtype).min
        scores_BHLL += torch.zeros_like(mask, dtype=scores_BHLL.dtype).masked_fill_(~mask, lowest)
    return _softmax(scores_BHLL) @ value


def _softmax(scores: Tensor) -> Tensor:
    """Torch's is slow in bf16 where short rows don't fill its vectors: there fp32 takes a fourth of the time."""
    length = scores.shape[-1]
    if 16 <= length < 80 and length % 32:  # benchmarks/products_and_softmax.py
        return scores.softmax(-1, dtype=torch.float32).to(scores.dtype)
    return scores.softmax(-1)


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
