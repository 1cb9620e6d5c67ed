"""A loss: the cosine distance of hidden states."""

import torch

from tinydistill.distillation.losses import Loss


class HiddenCosine(Loss):
    """1 - cos(student, teacher), a mean over the valid tokens of a mapped layer."""

    needs = "hidden"

    def forward(self, student, teacher, mask_BL):
        distance_BL = 1 - torch.cosine_similarity(student.float(), teacher.float(), dim=-1)
        return distance_BL.mean() if mask_BL is None else distance_BL[mask_BL].mean()
