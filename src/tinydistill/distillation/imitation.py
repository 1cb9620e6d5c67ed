"""Student and teacher side by side: one forward pass of each, compared by the objective.

Shapes: B batch, L length, H heads.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tinydistill.distillation.objective import Objective, Terms
from tinydistill.distillation.teacher_statistics import TeacherStatistics, teacher_statistics_over
from tinydistill.models.fast_paths import cpu_kernels as kernels
from tinydistill.models.observation import Observation, Observer, attention_probabilities, padding_mask

Batch = dict[str, Tensor]

_TRAINING_BATCHES = 16  # that the teacher is measured on where there is nothing to validate on


class Imitation(nn.Module):
    """The layered losses between two encoders, with or without heads. Batches hold `input_ids` [B, L], maybe a mask.

    The objective is its only submodule: the student belongs to whoever trains it. The teacher never trains, never
    leaves eval mode, never enters a checkpoint, keeps its own precision, and follows the batches to their device.
    """

    def __init__(self, teacher: PreTrainedModel, student: PreTrainedModel, objective: Objective):
        super().__init__()
        self.objective = objective.bind(student.config, teacher.config)
        kernels.pack(teacher.requires_grad_(False))
        self._teacher = (teacher.eval(),)  # a tuple hides it from nn.Module
        self._observe_student = Observer(student, *objective.layers(0))
        self._observe_teacher = Observer(teacher, *objective.layers(1), whole=bool(objective.of("logits")))

    @property
    def teacher(self) -> PreTrainedModel:
        """The frozen model."""
        return self._teacher[0]

    @torch.no_grad()
    def observe_teacher(self, batch: Batch) -> Observation:
        """One forward pass of the teacher, in its own precision."""
        device = batch["input_ids"].device
        if self.teacher.device != device:
            self.teacher.to(device)
        with torch.autocast(device.type, enabled=False):
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

    def measure_teacher(self, batches: Iterable[Batch]) -> TeacherStatistics:
        """Measure how much the teacher's values vary over the batches, and tell the objective."""
        self.teacher.to(self._observe_student.model.device)
        statistics = teacher_statistics_over(self._observe_teacher, batches)
        self.objective.measure_against(statistics)
        return statistics

    def measure_once(self, trainer: pl.Trainer) -> None:
        """Measure the teacher on what a trainer validates (or trains) on, unless that has been done."""
        if self.objective.variances is not None:
            return
        batches = trainer.val_dataloaders
        batches = batches[0] if isinstance(batches, list) else batches
        if batches is None:
            batches = list(islice(trainer.train_dataloader, _TRAINING_BATCHES))
        with torch.random.fork_rng(devices=[]):  # torch's loaders draw from it
            self.measure_teacher(batches)
        self.objective.variances = trainer.strategy.broadcast(self.objective.variances)


@torch.no_grad()
def attention_maps(
    student: PreTrainedModel, teacher: PreTrainedModel, row: Mapping[str, Tensor], pairs: Sequence[tuple[int, int]]
) -> list[tuple[Tensor, Tensor]]:
    """For every mapped pair the probabilities of student and teacher, each [H, L, L], on one row without padding.

    `pairs` are (student layer, teacher layer). The models are left tapped; `observation.release` undoes that.
    """
    student_layers, teacher_layers = zip(*pairs, strict=True)
    ours, theirs = (
        Observer(model, (), layers)(row).attention
        for model, layers in ((student, student_layers), (teacher, teacher_layers))
    )
    return [(attention_probabilities(ours[m]), attention_probabilities(theirs[n])) for m, n in pairs]
