"""The LightningModule that holds the frozen teacher and the trainable student and computes the layered losses."""

from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tinydistill.distillation.objective import Objective, Terms
from tinydistill.distillation.observation import Observation, Observer, padding_mask

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Optimisation:
    """AdamW with a rate that rises linearly for a share `warmup` of `steps` and then falls linearly to 0."""

    steps: int
    learning_rate: float
    warmup: float
    weight_decay: float

    def rate(self, step: int) -> float:
        """The factor on the learning rate at optimiser step 0, 1, …"""
        rising = max(1, round(self.steps * self.warmup))
        return min((step + 1) / rising, (self.steps - step) / max(1, self.steps - rising), 1.0)

    def optimizer(self, module: nn.Module) -> torch.optim.Optimizer:
        """AdamW over the parameters that are trained; biases and LayerNorms don't decay."""
        trained = [p for p in module.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self.learning_rate, fused=True)


class Distiller(pl.LightningModule):
    """Teaches the student what the teacher does inside. Batches hold `input_ids` [B, L] and may hold a mask.

    The teacher is no submodule: it never trains, never leaves eval mode, never enters a checkpoint, and keeps its own
    precision. Logged are `train/loss`, `train/raw/TERM`, `train/unexplained/TERM`, and held-out means as `heldout/…`.
    """

    def __init__(
        self, student: PreTrainedModel, teacher: PreTrainedModel, objective: Objective, optimisation: Optimisation
    ):
        super().__init__()
        self.student = student.train()
        self.objective = objective
        self.optimisation = optimisation
        self._teacher = (teacher.eval().requires_grad_(False),)  # a tuple hides it from nn.Module
        self._random: dict[str, Any] = {}
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

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps the state of the random numbers, so that a resumed run drops out what it would have dropped out."""
        checkpoint["random"] = {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes the random numbers' state for the start of training."""
        self._random = checkpoint["random"]

    def on_train_start(self) -> None:
        """Goes on with the random numbers of the run that is resumed."""
        if self._random:
            torch.set_rng_state(self._random["cpu"].cpu())
            torch.cuda.set_rng_state_all([state.cpu() for state in self._random["cuda"]])

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

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Clips by norm; Lightning's own refuses fused optimisers under bf16-mixed, which scales nothing."""
        if gradient_clip_val:
            self.log("train/gradient_norm", nn.utils.clip_grad_norm_(self.parameters(), gradient_clip_val))

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW and its linear schedule, stepped with every optimiser step."""
        optimizer = self.optimisation.optimizer(self)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self.optimisation.rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def unexplained(metrics: dict[str, Any]) -> dict[str, float]:
    """The unexplained variance by term, from what Lightning returns of a validation."""
    prefix = "heldout/unexplained/"
    return {name.removeprefix(prefix): float(value) for name, value in metrics.items() if name.startswith(prefix)}
