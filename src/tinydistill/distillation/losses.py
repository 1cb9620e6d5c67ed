"""The losses, as pure functions of tensors. Means run over valid tokens and valid pairs of tokens only.

Shapes: B batch, L length, D hidden size, H heads, d head size, C classes; `mask` [B, L] is True where a token is valid.
S and T mark student and teacher. Equation numbers are the TinyBERT paper's (arXiv 1909.10351) unless said otherwise.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from tinydistill.distillation.observation import QKV


def state_mse(student_BLD: Tensor, teacher_BLD: Tensor, mask_BL: Tensor) -> Tensor:
    """Mean squared difference of projected student states and teacher states (eq. 8 for hidden states, eq. 9)."""
    difference = (student_BLD.float() - teacher_BLD.float()) * mask_BL.unsqueeze(-1)
    return difference.square().sum() / (mask_BL.sum() * difference.shape[-1])


def attention_mse(student: QKV, teacher: QKV, mask_BL: Tensor) -> Tensor:
    """Mean squared difference of unnormalised attention scores QKᵀ/√d over heads and valid pairs (eq. 7).

    Student and teacher need equal head counts; head sizes may differ. Of the two exact forms the cheaper one for this
    length is taken; a sliding-window layer (of the teacher or of the student) always takes score maps, inside its band.
    """
    width = student.query.shape[-1] + teacher.query.shape[-1]
    banded = student.window is not None or teacher.window is not None
    form = attention_mse_scores if banded or student.query.shape[-2] <= 2 * width else attention_mse_gram
    return form(student, teacher, mask_BL)


def attention_mse_scores(student: QKV, teacher: QKV, mask_BL: Tensor) -> Tensor:
    """`attention_mse` through one [B, H, L, L] map of differences: A^S − A^T = [Q_S, −Q_T] [K_S, K_T]ᵀ."""
    query, key = _paired(student, teacher)
    difference_BHLL = query @ key.transpose(-1, -2)
    pairs_BLL = mask_BL.unsqueeze(-1) & mask_BL.unsqueeze(-2)
    windows = [qkv.window for qkv in (student, teacher) if qkv.window is not None]
    if windows:
        position = torch.arange(mask_BL.shape[-1], device=mask_BL.device)
        pairs_BLL = pairs_BLL & ((position.unsqueeze(-1) - position).abs() <= min(windows))
    if not bool(pairs_BLL.all()):
        difference_BHLL = difference_BHLL * pairs_BLL.unsqueeze(1)
    return difference_BHLL.float().square().sum() / (pairs_BLL.sum() * query.shape[1])


def attention_mse_gram(student: QKV, teacher: QKV, mask_BL: Tensor) -> Tensor:
    """`attention_mse` in memory linear in the length, from ‖QKᵀ‖² = ⟨QᵀQ, KᵀK⟩ on the paired queries and keys.

    Exact for full attention. Sums run in fp32, since the squares of student and teacher cancel as they come closer.
    """
    query, key = (x.float() * mask_BL[:, None, :, None] for x in _paired(student, teacher))
    with torch.autocast(query.device.type, enabled=False):
        squares = (query.transpose(-1, -2) @ query) * (key.transpose(-1, -2) @ key)
    pairs = mask_BL.sum(-1).square().sum()
    return squares.sum() / (pairs * query.shape[1])


def _paired(student: QKV, teacher: QKV) -> tuple[Tensor, Tensor]:
    """[Q_S, −Q_T] and [K_S, K_T], [B, H, L, d_S + d_T], each scaled by d^(-1/4) of its own head size."""
    if student.query.shape[1] != teacher.query.shape[1]:
        raise ValueError(f"attention heads differ: student {student.query.shape[1]}, teacher {teacher.query.shape[1]}")
    scale_S, scale_T = student.query.shape[-1] ** -0.25, teacher.query.shape[-1] ** -0.25
    dtype = student.query.dtype
    query = torch.cat([student.query * scale_S, teacher.query.to(dtype) * -scale_T], dim=-1)
    key = torch.cat([student.key * scale_S, teacher.key.to(dtype) * scale_T], dim=-1)
    return query, key


def relation_kl(student: QKV, teacher: QKV, mask_BL: Tensor, heads: int) -> Tensor:
    """Self-attention relation distillation (MiniLMv2, arXiv 2012.15828, eq. 4–6): the mean of its three terms.

    For queries, keys and values alike: all heads are joined and split anew into `heads` relation heads, so that head
    counts may differ; KL(softmax(X_T X_Tᵀ/√d) ‖ softmax(X_S X_Sᵀ/√d)) is averaged over relation heads and valid rows.
    """
    return torch.stack(
        [_relation_kl(s, t, mask_BL, heads) for s, t in zip(student[:3], teacher[:3], strict=True)]
    ).mean()


def _relation_kl(student_BHLd: Tensor, teacher_BHLd: Tensor, mask_BL: Tensor, heads: int) -> Tensor:
    log_S, log_T = (_log_relations(x, mask_BL, heads) for x in (student_BHLd, teacher_BHLd))
    valid_B1L1 = mask_BL[:, None, :, None]
    # Invalid columns carry the lowest number on both sides: they are cut out of the sum.
    kl = torch.where(mask_BL[:, None, None, :] & valid_B1L1, log_T.exp() * (log_T - log_S), 0.0)
    return kl.sum() / (mask_BL.sum() * heads)


def _log_relations(x_BHLd: Tensor, mask_BL: Tensor, heads: int) -> Tensor:
    B, H, L, d = x_BHLd.shape
    if H * d % heads:
        raise ValueError(f"{heads} relation heads do not divide a width of {H * d}")
    x = x_BHLd.transpose(1, 2).reshape(B, L, heads, H * d // heads).transpose(1, 2)
    scores = (x @ x.transpose(-1, -2)).float() / math.sqrt(x.shape[-1])
    return scores.masked_fill(~mask_BL[:, None, None, :], torch.finfo(scores.dtype).min).log_softmax(-1)


def soft_cross_entropy(student_BC: Tensor, teacher_BC: Tensor, temperature: float = 1.0) -> Tensor:
    """−Σ_c softmax(z^T/t) · log softmax(z^S/t), summed over classes, averaged over the batch (eq. 10)."""
    target = (teacher_BC.float() / temperature).softmax(-1)
    return F.cross_entropy(student_BC.float() / temperature, target)
