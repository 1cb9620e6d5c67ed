"""Student and teacher side by side: one forward pass of each, compared by the objective."""

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tinydistill.distillation.objective import Objective, Terms
from tinydistill.models.fast_paths import cpu_kernels as kernels
from tinydistill.models.observation import Observation, Observer, padding_mask

Batch = dict[str, Tensor]


class Imitation(nn.Module):
    """The layered losses between two encoders, with or without heads. Batches hold `input_ids` [B, L], maybe a mask.

    The objective is its only submodule: the student belongs to whoever trains it. The teacher never trains, never
    leaves eval mode, never enters a checkpoint, and keeps its own precision.
    """

    def __init__(self, student: PreTrainedModel, teacher: PreTrainedModel, objective: Objective):
        super().__init__()
        self.objective = objective
        kernels.pack(teacher.requires_grad_(False))
        self._teacher = (teacher.eval(),)  # a tuple hides it from nn.Module
        self._observe_student = Observer(student, *objective.layers(0))
        self._observe_teacher = Observer(teacher, *objective.layers(1), whole=False)

    @property
    def teacher(self) -> PreTrainedModel:
        """The frozen model."""
        return self._teacher[0]

    @torch.no_grad()
    def observe_teacher(self, batch: Batch) -> Observation:
        """One forward pass of the teacher, in its own precision."""
        with torch.autocast(self.teacher.device.type, enabled=False):
            return self._observe_teacher(batch)

    def forward(self, batch: Batch) -> tuple[Observation, Terms]:
        """What the student showed, and the raw terms of the objective."""
        seen = self._observe_student(batch)
        return seen, self.objective(seen, self.observe_teacher(batch), padding_mask(batch))

    def metrics(self, prefix: str, terms: Terms) -> Terms:
        """What is logged of a batch: PREFIX/loss, PREFIX/raw/TERM and PREFIX/unexplained/TERM."""
        metrics = {f"{prefix}/loss": self.objective.total(terms)}
        metrics |= {f"{prefix}/raw/{name}": value for name, value in terms.items()}
        unexplained = self.objective.unexplained(terms)
        return metrics | {f"{prefix}/unexplained/{name}": value for name, value in unexplained.items()}
