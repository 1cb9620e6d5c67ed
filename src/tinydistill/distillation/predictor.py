"""The LightningModule of the prediction phase: the student learns a fine-tuned teacher's stored answers.

B: rows in a batch, C: outputs of the prediction layer.
"""

import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel

from tinydistill.distillation.losses import soft_cross_entropy
from tinydistill.training.classifier import Batch, Classifier, Scoring
from tinydistill.training.optimisation import Optimisation


class Predictor(Classifier):
    """Learns teacher_logits [B, C], which training batches hold beside input_ids and labels; the teacher isn't needed.

    Args:
        student: a model with a classification head.
        optimisation: how its weights are stepped.
        scoring: how it is validated.
        temperature: of classes' soft cross-entropy (eq. 10).
        scale_by_temperature: whether that loss is multiplied by temperature², so that its gradients keep their size.
        hard_share: weight of the loss against the labels; the rest is the teacher's.
    """

    def __init__(
        self,
        student: PreTrainedModel,
        optimisation: Optimisation,
        scoring: Scoring,
        *,
        temperature: float = 1.0,
        scale_by_temperature: bool = False,
        hard_share: float = 0.0,
    ):
        super().__init__(student, optimisation, scoring)
        self.temperature, self.hard_share = temperature, hard_share
        self.scale = temperature**2 if scale_by_temperature else 1.0

    def loss(self, logits_BC: Tensor, batch: Batch) -> Tensor:
        """(1 − hard_share) · the teacher's loss + hard_share · the labels', each a mean over the batch."""
        teacher_BC = batch["teacher_logits"]
        if self.scoring.regression:
            soft = F.mse_loss(logits_BC.float(), teacher_BC.float())
        else:
            soft = self.scale * soft_cross_entropy(logits_BC, teacher_BC, self.temperature)
        if not self.hard_share:
            return soft
        return (1 - self.hard_share) * soft + self.hard_share * super().loss(logits_BC, batch)
