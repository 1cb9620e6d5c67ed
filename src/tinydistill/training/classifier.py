"""The LightningModule of a model with a head on a task, and the callback that keeps its best weights.

B: rows in a batch, L: word pieces in the longest row, C: outputs of the prediction layer, N: rows of a split.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from tinydistill.models.observation import encoder_inputs
from tinydistill.training.metrics import predicted, task_metrics
from tinydistill.training.optimization import Optimization, OptimizedModule

Batch = Mapping[str, Tensor]


@dataclass(frozen=True)
class Scoring:
    """How a task is scored: the names of its metrics, the one that counts, and its validation splits' names.

    The split that counts is the first one.
    """

    metrics: Sequence[str]
    monitor: str
    splits: Sequence[str]
    outputs: int
    regression: bool

    @property
    def monitored(self) -> str:
        """The logged name of the score that counts."""
        return f"{self.splits[0]}/{self.monitor}"


class Classifier(OptimizedModule):
    """Learns a task's labels. Batches hold input_ids [B, L], labels [B] (real numbers for a regression) and row [B].

    Logged are `train/loss`, and after a validation `SPLIT/METRIC` of every split.
    """

    def __init__(self, model: PreTrainedModel, optimisation: Optimization, scoring: Scoring):
        super().__init__(optimisation)
        self.model = model.train()
        self.scoring = scoring
        scores = [task_metrics(scoring.metrics, scoring.outputs, scoring.regression) for _ in scoring.splits]
        self._scores = nn.ModuleList(scores)  # a module's, so that they move to its device

    def forward(self, batch: Batch) -> Tensor:
        """The logits [B, C]."""
        return self.model(**encoder_inputs(batch)).logits

    def loss(self, logits_BC: Tensor, batch: Batch) -> Tensor:
        """What is minimised: a mean over the batch."""
        return supervised_loss(logits_BC, batch["labels"], regression=self.scoring.regression)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of one batch."""
        loss = self.loss(self(batch), batch)
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Adds a batch to the scores of its split."""
        predictions = predicted(self(batch), regression=self.scoring.regression)
        scores: Any = self._scores[dataloader_idx]
        scores.update(predictions, batch["labels"])

    def on_validation_epoch_end(self) -> None:
        """Logs the scores of every split."""
        for split, scores in zip(self.scoring.splits, self._scores, strict=True):
            computed: dict[str, Tensor] = scores.compute()  # type: ignore[operator]
            self.log_dict({f"{split}/{name}": value.float() for name, value in computed.items()}, sync_dist=True)
            scores.reset()  # type: ignore[operator]

    def predict_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> tuple[Tensor, Tensor]:
        """The rows' numbers [B] and their logits [B, C]."""
        return batch["row"].cpu(), self(batch).float().cpu()


def supervised_loss(logits_BC: Tensor, labels_B: Tensor, *, regression: bool) -> Tensor:
    """The mean over the batch of the cross-entropy with the right class, or of a regression's squared error."""
    if regression:
        return F.mse_loss(logits_BC[:, 0].float(), labels_B.float())
    return F.cross_entropy(logits_BC.float(), labels_B)


def by_row(predictions: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """The logits [N, C] in the order of the rows, from what `Trainer.predict` collected of a split."""
    rows, logits = (torch.cat(parts) for parts in zip(*predictions, strict=True))
    ordered = torch.empty_like(logits)
    ordered[rows] = logits
    return ordered


class BestWeights(pl.Callback):
    """Keeps a module's weights as they were when a validation score was highest, the first time on a tie.

    They are kept in memory and in checkpoints: a resumed run knows the best weights from before it was cut.
    """

    def __init__(self, monitor: str):
        self.monitor = monitor
        self.score, self.step = -math.inf, -1
        self.weights: dict[str, Tensor] = {}

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Copies the weights when they are the best so far; a score of nan is the worst."""
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        score = float(trainer.callback_metrics[self.monitor])
        if not self.weights or score > self.score:
            self.score, self.step = -math.inf if math.isnan(score) else score, trainer.global_step
            self.weights = {name: value.detach().cpu().clone() for name, value in pl_module.state_dict().items()}

    def restore(self, pl_module: pl.LightningModule) -> None:
        """Puts the best weights back."""
        pl_module.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        """For checkpoints."""
        return {"score": self.score, "step": self.step, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From a checkpoint."""
        self.score, self.step, self.weights = (state_dict[name] for name in ("score", "step", "weights"))
