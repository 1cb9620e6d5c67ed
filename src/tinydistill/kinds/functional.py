"""The losses between the logits of two models, as pure functions.

B: rows, or tokens of several rows; C: outputs of the prediction layer.
"""

import torch.nn.functional as F
from torch import Tensor


def soft_cross_entropy(student_BC: Tensor, teacher_BC: Tensor, temperature: float = 1.0) -> Tensor:
    """−Σ_c softmax(z^T/t) · log softmax(z^S/t), summed over classes, averaged over the batch (eq. 10)."""
    target = (teacher_BC.float() / temperature).softmax(-1)
    return F.cross_entropy(student_BC.float() / temperature, target)
