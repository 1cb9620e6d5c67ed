"""The formulas of the losses, pure functions of tensors. Means run over valid tokens and valid pairs of tokens only.

Shapes: B batch, L length, D hidden size, H heads, d head size, C classes; `mask` [B, L] is True where a token is valid,
None where all are.
S and T mark student and teacher. Equation numbers are the TinyBERT paper's (arXiv 1909.10351) unless said otherwise.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from tinydistill.models.observation import QKV

# Lengths, in multiples of both head sizes, up to which score maps are faster than Gram matrices, whose sums are fp32's.
_SHORT, _SHORT_BF16 = 4, 8
# Scores computed at a time: on a processor few enough to stay in its cache.
_PART_CPU, _PART = 2**21, 2**26


def state_mse(student_BLD: Tensor, teacher_BLD: Tensor, mask_BL: Tensor | None = None) -> Tensor:
    """Mean squared difference of projected student states and teacher states (eq. 8 for hidden states, eq. 9)."""
    student_BLD, teacher_BLD = student_BLD.float(), teacher_BLD.float()
    if mask_BL is None:
        return F.mse_loss(student_BLD, teacher_BLD)
    student_BLD = torch.where(mask_BL.unsqueeze(-1), student_BLD, teacher_BLD)  # no difference where nothing is
    return F.mse_loss(student_BLD, teacher_BLD, reduction="sum") / (mask_BL.sum() * student_BLD.shape[-1])


def attention_mse(student: QKV, teacher: QKV, mask_BL: Tensor | None = None) -> Tensor:
    """Mean squared difference of unnormalized attention scores QKᵀ/√d over heads and valid pairs (eq. 7).

    Student and teacher need equal head counts; head sizes may differ. Of the two exact forms the faster one for this
    length is taken; a sliding-window layer (of the teacher or of the student) always takes score maps, inside its band.
    """
    length, width = student.query.shape[-2], student.query.shape[-1] + teacher.query.shape[-1]
    banded = student.window is not None or teacher.window is not None
    short = length <= width * (_SHORT if student.query.dtype == torch.float32 else _SHORT_BF16)
    form = attention_mse_scores if banded or short else attention_mse_gram
    return form(student, teacher, mask_BL)


def attention_mse_scores(student: QKV, teacher: QKV, mask_BL: Tensor | None = None) -> Tensor:
    """`attention_mse` through the score maps themselves, of which a part exists at a time."""
    scaled = _scaled(student, teacher)
    window = min((qkv.window for qkv in (student, teacher) if qkv.window is not None), default=None)
    squared_difference: Callable[..., Tensor] = _SquaredDifference.apply
    total = squared_difference(*scaled, mask_BL, window)
    return total / (_pairs(student.query, mask_BL, window) * student.query.shape[1])


class _SquaredDifference(torch.autograd.Function):
    """Σ (Q_S K_Sᵀ − Q_T K_Tᵀ)² over heads and valid pairs, of scaled queries and keys [B, H, L, d]; fp32 or better.

    With a window, pairs further apart than it count nothing. Differentiable in the student's queries and keys: their
    gradients are products with the same differences and are taken with them, so that no map is ever whole or kept.
    """

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


def attention_mse_gram(student: QKV, teacher: QKV, mask_BL: Tensor | None = None) -> Tensor:
    """`attention_mse` in memory linear in the length, from ‖QKᵀ‖² = ⟨QᵀQ, KᵀK⟩ on the paired queries and keys.

    Exact for full attention. Sums run in fp32, since the squares of student and teacher cancel as they come closer.
    """
    query_S, key_S, query_T, key_T = _scaled(student, teacher)
    query, key = torch.cat([query_S, -query_T], dim=-1).float(), torch.cat([key_S, key_T], dim=-1).float()
    if mask_BL is not None:
        query, key = (x.masked_fill(~mask_BL[:, None, :, None], 0.0) for x in (query, key))
    with torch.autocast(query.device.type, enabled=False):
        squares = (query.transpose(-1, -2) @ query) * (key.transpose(-1, -2) @ key)
    return squares.sum() / (_pairs(query, mask_BL) * query.shape[1])


def _scaled(student: QKV, teacher: QKV) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Q_S, K_S, Q_T, K_T, [B, H, L, d], each scaled by d^(-1/4) of its own head size, in the student's precision."""
    if student.query.shape[1] != teacher.query.shape[1]:
        raise ValueError(f"attention heads differ: student {student.query.shape[1]}, teacher {teacher.query.shape[1]}")
    scale_S, scale_T = student.query.shape[-1] ** -0.25, teacher.query.shape[-1] ** -0.25
    query_T, key_T = (x.to(student.query.dtype) * scale_T for x in teacher[:2])
    return student.query * scale_S, student.key * scale_S, query_T, key_T


def _pairs(query: Tensor, mask_BL: Tensor | None, window: int | None = None) -> Tensor | int:
    """How many pairs of tokens count, of all rows."""
    B, _, L, _ = query.shape
    if window is None:
        return B * L * L if mask_BL is None else mask_BL.sum(-1).square().sum()
    position = torch.arange(L, device=query.device)
    near_LL = ((position.unsqueeze(-1) - position).abs() <= window).float()
    valid_BL = torch.ones(B, L, device=query.device) if mask_BL is None else mask_BL.float()
    return (valid_BL @ near_LL * valid_BL).sum()


def relation_kl(student: QKV, teacher: QKV, mask_BL: Tensor | None, heads: int) -> Tensor:
    """Self-attention relation distillation (MiniLMv2, arXiv 2012.15828, eq. 4–6): the mean of its three terms.

    For queries, keys and values alike: all heads are joined and split anew into `heads` relation heads, so that head
    counts may differ; KL(softmax(X_T X_Tᵀ/√d) ‖ softmax(X_S X_Sᵀ/√d)) is averaged over relation heads and valid rows.
    """
    return torch.stack(
        [_relation_kl(s, t, mask_BL, heads) for s, t in zip(student[:3], teacher[:3], strict=True)]
    ).mean()


def _relation_kl(student_BHLd: Tensor, teacher_BHLd: Tensor, mask_BL: Tensor | None, heads: int) -> Tensor:
    log_S, log_T = (_log_relations(x, mask_BL, heads) for x in (student_BHLd, teacher_BHLd))
    if mask_BL is None:
        B, _, L, _ = log_S.shape
        return (log_T.exp() * (log_T - log_S)).sum() / (B * L * heads)
    valid_B1L1 = mask_BL[:, None, :, None]
    # Invalid columns carry the lowest number on both sides: they are cut out of the sum.
    kl = torch.where(mask_BL[:, None, None, :] & valid_B1L1, log_T.exp() * (log_T - log_S), 0.0)
    return kl.sum() / (mask_BL.sum() * heads)


def _log_relations(x_BHLd: Tensor, mask_BL: Tensor | None, heads: int) -> Tensor:
    B, H, L, d = x_BHLd.shape
    if H * d % heads:
        raise ValueError(f"{heads} relation heads do not divide a width of {H * d}")
    x = x_BHLd.transpose(1, 2).reshape(B, L, heads, H * d // heads).transpose(1, 2)
    scores = (x @ x.transpose(-1, -2)).float() / math.sqrt(x.shape[-1])
    if mask_BL is not None:
        scores = scores.masked_fill(~mask_BL[:, None, None, :], torch.finfo(scores.dtype).min)
    return scores.log_softmax(-1)
