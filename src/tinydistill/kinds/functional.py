"""The losses between the logits or embeddings of two models, as pure functions.

B: rows, or tokens of several rows; C: outputs of the prediction layer; E: width of an embedding.
S and T mark student and teacher.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def soft_binary_cross_entropy(student_BC: Tensor, teacher_BC: Tensor, temperature: float = 1.0) -> Tensor:
    """−Σ_c p_c · log σ(z^S_c/t) + (1 − p_c) · log(1 − σ(z^S_c/t)) with p_c = σ(z^T_c/t), a mean over labels and batch.

    What eq. 10 becomes where every output is a decision of its own, between two classes.
    """
    target = (teacher_BC.float() / temperature).sigmoid()
    return F.binary_cross_entropy_with_logits(student_BC.float() / temperature, target)


def soft_cross_entropy(student_BC: Tensor, teacher_BC: Tensor, temperature: float = 1.0) -> Tensor:
    """−Σ_c softmax(z^T/t) · log softmax(z^S/t), summed over classes, averaged over the batch (eq. 10)."""
    target = (teacher_BC.float() / temperature).softmax(-1)
    return F.cross_entropy(student_BC.float() / temperature, target)


def cosine_distance(student_BE: Tensor, teacher_BE: Tensor) -> Tensor:
    """1 − cos(e^S, e^T), averaged over the batch."""
    return (1 - F.cosine_similarity(student_BE.float(), teacher_BE.float())).mean()


def embedding_mse(student_BE: Tensor, teacher_BE: Tensor) -> Tensor:
    """‖e^S − e^T‖² / ‖e^T‖², both summed over the batch: in the teacher's space, whatever its unit of length."""
    student_BE, teacher_BE = student_BE.float(), teacher_BE.float()
    return (student_BE - teacher_BE).square().sum() / teacher_BE.square().sum()


def similarity_kl(student_BE: Tensor, teacher_BE: Tensor, temperature: float) -> Tensor:
    """KL(P^T ‖ P^S) averaged over rows, P_i = softmax over j ≠ i of cos(e_i, e_j)/t: which other rows are like a row.

    As relational distillation has it (Passalis, Tefas, 2018), with a softmax of cosines. 0 for a single row.
    """
    if len(student_BE) < 2:
        return student_BE.float().sum() * 0
    log_S, log_T = (_log_neighbors(x, temperature) for x in (student_BE, teacher_BE))
    return (log_T.exp() * (log_T - log_S)).sum(-1).mean()


def _log_neighbors(embeddings_BE: Tensor, temperature: float) -> Tensor:
    """Of every row the logarithm of its shares among the other ones [B, B - 1]."""
    unit_BE = F.normalize(embeddings_BE.float(), dim=-1)
    count = len(unit_BE)
    others = ~torch.eye(count, dtype=torch.bool, device=unit_BE.device)
    return ((unit_BE @ unit_BE.T / temperature)[others].view(count, count - 1)).log_softmax(-1)
