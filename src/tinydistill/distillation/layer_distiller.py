"""The LightningModule that holds the frozen teacher and the trainable student and computes the layered losses."""

from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from tinydistill.distillation.imitation import Batch, Imitation
from tinydistill.distillation.objective import Objective
from tinydistill.models.observation import valid_tokens
from tinydistill.training.optimization import Optimization, OptimizedModule


class LayerDistiller(OptimizedModule):
    """Teaches the student what the teacher does inside.

    Logged are `train/loss`, `train/raw/TERM`, `train/unexplained/TERM`, and held-out means as `heldout/…`.
    """

    def __init__(
        self, student: PreTrainedModel, teacher: PreTrainedModel, objective: Objective, optimisation: Optimization
    ):
        super().__init__(optimisation)
        self.student = student.train()
        self.imitation = Imitation(student, teacher, objective)

    def freeze_unreached(self, batch: Batch) -> None:
        """Freezes what the loss doesn't reach (a pooler, layers above the last mapped one): DDP would wait for it."""
        parameters = [p for p in self.parameters() if p.requires_grad]
        _, terms = self.imitation(batch)
        gradients = torch.autograd.grad(self.imitation.objective.total(terms), parameters, allow_unused=True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.requires_grad_(gradient is not None)

    def setup(self, stage: str) -> None:
        """Brings the teacher to the student's device."""
        self.imitation.teacher.to(self.device)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The weighted loss of one batch; logs it with every term."""
        metrics = self.imitation.metrics("train", self.imitation(batch)[1])
        self.log_dict(metrics)
        return metrics["train/loss"]

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Adds one held-out batch to the means."""
        metrics = self.imitation.metrics("heldout", self.imitation(batch)[1])
        self.log_dict(metrics, batch_size=int(valid_tokens(batch).sum()), sync_dist=True)


def unexplained(metrics: dict[str, Any]) -> dict[str, float]:
    """The unexplained variance by term, from what Lightning returns of a validation."""
    prefix = "heldout/unexplained/"
    return {name.removeprefix(prefix): float(value) for name, value in metrics.items() if name.startswith(prefix)}
