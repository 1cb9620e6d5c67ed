"""Optimization: bf16 attention on processors in matrix products, where the fused kernel is slow (backward above all).

`models.attention.attend` takes it where it fits, and computes the same with torch's fused kernel when
`cpu_kernels.choose(fast=False)` or `cpu_kernels.plain()` switch it off.

Shapes: B batch, H heads, L length, d head size.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from tinydistill.models.fast_paths import cpu_kernels

_LONGEST = 1024  # nowhere up to there is the fused kernel faster (benchmarks/attention.py)
_SCORES = 2**21  # computed at a time: they stay in a processor's cache


def fits(module: nn.Module, query: Tensor, key: Tensor, **asked: Any) -> bool:
    """Whether products compute all that is asked, and faster."""
    if asked.get("dropout") or asked.get("is_causal") or asked.get("position_bias") is not None:
        return False
    grouped = getattr(module, "num_key_value_groups", 1) > 1
    alike = query.dtype == torch.bfloat16 and query.is_cpu and query.shape == key.shape
    return cpu_kernels.fast() and alike and not grouped and query.shape[-2] <= _LONGEST


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float | None) -> Tensor:
    """The output [B, L, H, d] for query, key and value [B, H, L, d]."""
    return _Products.apply(query, key, value, mask, scale or query.shape[-1] ** -0.5).transpose(1, 2)


class _Products(torch.autograd.Function):
    """Attention a few rows of the batch at a time; the scores aren't kept, the backward pass computes them again."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
        ctx.save_for_backward(query, key, value, mask)
        ctx.scale = scale
        output = torch.empty_like(query)
        with torch.autocast("cpu", enabled=False):
            for rows in _parts(query):
                output[rows] = _attended(query[rows], key[rows], value[rows], _mask_rows(mask, rows), scale)
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
                    output = _attended(query, key, value, _mask_rows(mask, rows), ctx.scale)
                parts = torch.autograd.grad(output, (query, key, value), gradient[rows])
                for whole, part in zip(gradients, parts, strict=True):
                    whole[rows] = part
        return *gradients, None, None


def _parts(x_BHLd: Tensor) -> list[slice]:
    batch, heads, length, _ = x_BHLd.shape
    rows = max(1, _SCORES // (heads * length * length))
    return [slice(first, first + rows) for first in range(0, batch, rows)]


def _mask_rows(mask: Tensor | None, rows: slice) -> Tensor | None:
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
