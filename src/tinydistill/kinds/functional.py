"""The losses between the logits of two models, as pure functions.

B: rows, or tokens of several rows; C: outputs of the prediction layer.
"""

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
