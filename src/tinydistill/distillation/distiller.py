"""The LightningModule that holds the frozen teacher and the trainable student and computes the layered losses."""

from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from tinydistill.distillation.objective import Objective, Terms
from tinydistill.distillation.observation import Observation, Observer, padding_mask
from tinydistill.training.optimisation import Optimisation, OptimisedModule

Batch = dict[str, Tensor]


class Distiller(OptimisedModule):
    """Teaches the student what the teacher does inside. Batches hold `input_ids` [B, L] and may hold a mask.

    The teacher is no submodule: it never trains, never leaves eval mode, never enters a checkpoint, and keeps its own
    precision. Logged are `train/loss`, `train/raw/TERM`, `train/unexplained/TERM`, and held-out means as `heldout/…`.
    """

    def __init__(
        self, student: PreTrainedModel, teacher: PreTrainedModel, objective: Objective, optimisation: Optimisation
    ):
        super().__init__(optimisation)
        self.student = student.train()
        self.objective = objective
        self._teacher = (teacher.eval().requires_grad_(False),)  # a tuple hides it from nn.Module
        self._observe_student = Observer(student, *objective.layers(0))
        self._observe_teacher = Observer(teacher, *objective.layers(1))

    @property
    def teacher(self) -> PreTrainedModel:
        """The frozen model."""
        return self._teacher[0]

    def freeze_unreached(self, batch: Batch) -> None:
        """Freezes what the loss doesn't reach (a pooler, layers above the last mapped one): DDP would wait for it."""
        parameters = [p for p in self.parameters() if p.requires_grad]
        gradients = torch.autograd.grad(self.objective.total(self(batch)), parameters, allow_unused=True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.requires_grad_(gradient is not None)

    def setup(self, stage: str) -> None:
        """Brings the teacher to the student's device."""
        self.teacher.to(self.device)

    @torch.no_grad()
    def observe_teacher(self, batch: Batch) -> Observation:
        """One forward pass of the teacher, in its own precision."""
        with torch.autocast(self.device.type, enabled=False):
            return self._observe_teacher(batch)

    def forward(self, batch: Batch) -> Terms:
        """The raw terms of the objective for one batch."""
        return self.objective(self._observe_student(batch), self.observe_teacher(batch), padding_mask(batch))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The weighted loss of one batch; logs it with every term."""
        metrics = self._metrics("train", self(batch))
        self.log_dict(metrics)
        return metrics["train/loss"]

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Adds one held-out batch to the means."""
        metrics = self._metrics("heldout", self(batch))
        self.log_dict(metrics, batch_size=int(padding_mask(batch).sum()), sync_dist=True)

    def _metrics(self, prefix: str, terms: Terms) -> Terms:
        metrics = {f"{prefix}/loss": self.objective.total(terms)}
        metrics |= {f"{prefix}/raw/{name}": value for name, value in terms.items()}
        unexplained = self.objective.unexplained(terms)
        return metrics | {f"{prefix}/unexplained/{name}": value for name, value in unexplained.items()}


def unexplained(metrics: dict[str, Any]) -> dict[str, float]:
    """The unexplained variance by term, from what Lightning returns of a validation."""
    prefix = "heldout/unexplained/"
    return {name.removeprefix(prefix): float(value) for name, value in metrics.items() if name.startswith(prefix)}
