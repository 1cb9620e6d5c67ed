"""The squared difference of two attention score maps, a part of the maps at a time.

Shapes: B batch, H heads, L length, d head size; S and T mark student and teacher.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Scores computed at a time: on a processor few enough to stay in its cache.
_PART_CPU, _PART = 2**21, 2**26


def squared_difference(
    query_S: Tensor, key_S: Tensor, query_T: Tensor, key_T: Tensor, mask_BL: Tensor | None, window: int | None
) -> Tensor:
    """Σ (Q_S K_Sᵀ − Q_T K_Tᵀ)² over heads and valid pairs, of scaled queries and keys [B, H, L, d]; fp32 or better.

    With a window, pairs further apart than it count nothing. Differentiable in the student's queries and keys: their
    gradients are products with the same differences and are taken with them, so that no map is ever whole or kept.
    """
    apply: Callable[..., Tensor] = _SquaredDifference.apply
    return apply(query_S, key_S, query_T, key_T, mask_BL, window)


class _SquaredDifference(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query_S: Tensor,
        key_S: Tensor,
        query_T: Tensor,
        key_T: Tensor,
        mask: Tensor | None,
        window: int | None,
    ) -> Tensor:
        wanted = ctx.needs_input_grad[0] or ctx.needs_input_grad[1]
        exact = torch.promote_types(query_S.dtype, torch.float32)
        total = torch.zeros((), device=query_S.device, dtype=exact)
        query_gradient = torch.empty_like(query_S) if wanted else None
        key_gradient = torch.zeros_like(key_S, dtype=exact) if wanted else None  # a sum over parts
        with torch.autocast(query_S.device.type, enabled=False):
            for rows, places in _parts(query_S):
                query = torch.cat([query_S[rows, :, places], -query_T[rows, :, places]], dim=-1)
                key = torch.cat([key_S[rows], key_T[rows]], dim=-1)
                difference = query @ key.transpose(-1, -2)
                outside = _outside(mask, window, rows, places, difference)
                if outside is not None:
                    difference.masked_fill_(outside, 0.0)
                total += torch.linalg.vector_norm(difference, dim=-1, dtype=exact).square().sum()  # of each row: exact
                if query_gradient is not None and key_gradient is not None:
                    query_gradient[rows, :, places] = difference @ key_S[rows]
                    key_gradient[rows] += difference.transpose(-1, -2) @ query_S[rows, :, places]
        if query_gradient is not None:
            ctx.save_for_backward(query_gradient, key_gradient)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query_gradient, key_gradient = ctx.saved_tensors
        query, key = (2 * gradient * x for x in (query_gradient, key_gradient))
        return query.to(query_gradient.dtype), key.to(query_gradient.dtype), None, None, None, None


def _parts(query: Tensor) -> Iterator[tuple[slice, slice]]:
    """Rows of the batch, and queries of each, whose score maps are computed at once."""
    batch, heads, length, _ = query.shape
    size = _PART_CPU if query.is_cpu else _PART
    rows = max(1, size // (heads * length * length))
    places = min(length, max(1, size // (rows * heads * length)))
    for row in range(0, batch, rows):
        for place in range(0, length, places):
            yield slice(row, row + rows), slice(place, place + places)


def _outside(
    mask_BL: Tensor | None, window: int | None, rows: slice, places: slice, difference: Tensor
) -> Tensor | None:
    """True for the pairs of a part that don't count; None where all do."""
    outside = None
    if mask_BL is not None:
        padding = ~mask_BL[rows]
        outside = (padding[:, places, None] | padding[:, None, :]).unsqueeze(1)
    if window is not None:
        position = torch.arange(difference.shape[-1], device=difference.device)
        far = (position[places, None] - position).abs() > window
        outside = far if outside is None else outside | far
    return outside
