"""The LightningModule of a model with a head on a task.

B: rows in a batch, L: tokens in the longest row, C: outputs of the prediction layer, N: rows of a split.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from tinydistill.data.tasks.sources import SELECTION
from tinydistill.models.observation import encoder_inputs
from tinydistill.training.metrics import predicted, task_metrics
from tinydistill.training.optimization import OptimizedModule

Batch = Mapping[str, Tensor]


@dataclass(frozen=True)
class Scoring:
    """How a task is scored: the names of its metrics, the one that counts, and its validation splits' names.

    The first split chooses epochs and rates; what is reported is the score of the first that isn't kept aside for that.
    """

    metrics: Sequence[str]
    monitor: str
    splits: Sequence[str]
    outputs: int
    regression: bool

    @property
    def monitored(self) -> str:
        """The logged name of the score that chooses, SPLIT/METRIC."""
        return f"{self.splits[0]}/{self.monitor}"

    @property
    def reported_split(self) -> str:
        """The split whose score is reported."""
        return next((split for split in self.splits if split != SELECTION), self.splits[0])

    @property
    def reported(self) -> str:
        """The logged name of the score that is reported, SPLIT/METRIC."""
        return f"{self.reported_split}/{self.monitor}"


class Classifier(OptimizedModule):
    """Learn a task's labels. Batches hold input_ids [B, L], labels [B] (real numbers for a regression) and row [B].

    Logged are `train/loss`, and after a validation `SPLIT/METRIC` of every split.

    Args:
        model: with a classification head.
        scoring: how it is validated.
        options: learning_rate, optimizer and scheduler, as OptimizedModule takes them.
    """

    def __init__(self, model: PreTrainedModel, scoring: Scoring, *, learning_rate: float = 5e-5, **options: Any):
        super().__init__(learning_rate=learning_rate, **options)
        self.model = model.train()
        self.scoring = scoring
        scores = [task_metrics(scoring.metrics, scoring.outputs, scoring.regression) for _ in scoring.splits]
        self._scores = nn.ModuleList(scores)  # a module's, so that they move to its device
        self._seen: dict[int, list[tuple[Tensor, Tensor]]] = defaultdict(list)  # by split, of the last validation

    def forward(self, batch: Batch) -> Tensor:
        """The logits [B, C]."""
        logits: Tensor = self.model(**encoder_inputs(batch)).logits
        return logits

    def loss(self, logits_BC: Tensor, batch: Batch) -> Tensor:
        """What is minimised: a mean over the batch."""
        return supervised_loss(logits_BC, batch["labels"], regression=self.scoring.regression)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of one batch."""
        loss = self.loss(self(batch), batch)
        self.log_training({"train/loss": loss})
        return loss

    def on_validation_epoch_start(self) -> None:
        """Forget the validation before."""
        self._seen.clear()

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Add a batch to the scores of its split."""
        logits_BC = self(batch)
        self._seen[dataloader_idx].append((batch["row"], logits_BC.float()))
        predictions = predicted(logits_BC, regression=self.scoring.regression)
        scores: Any = self._scores[dataloader_idx]
        scores.update(predictions, batch["labels"])

    def on_validation_epoch_end(self) -> None:
        """Log the scores of every split; nan where an answer is no finite number."""
        for number, (split, scores) in enumerate(zip(self.scoring.splits, self._scores, strict=True)):
            valid = all(bool(logits.isfinite().all()) for _, logits in self._seen[number])
            computed: dict[str, Tensor] = scores.compute()  # type: ignore[operator]
            shown = {f"{split}/{name}": value.float() if valid else math.nan for name, value in computed.items()}
            self.log_dict(shown, sync_dist=True)
            scores.reset()  # type: ignore[operator]

    def validated(self) -> dict[str, tuple[Tensor, Tensor]]:
        """By split what the last validation scored: the rows' numbers [N], rising, and their logits [N, C], on the CPU.

        All rows of the split, unless the trainer limits the batches of a validation.
        """
        return {
            split: in_order([(rows.cpu(), logits.cpu()) for rows, logits in self._seen[number]])
            for number, split in enumerate(self.scoring.splits)
            if self._seen[number]
        }

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
    return in_order(predictions)[1]


def in_order(predictions: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """The rows' numbers [N], rising, and their logits [N, C], from batches of both."""
    rows, logits = (torch.cat(parts) for parts in zip(*predictions, strict=True))
    order = rows.argsort()
    return rows[order], logits[order]
