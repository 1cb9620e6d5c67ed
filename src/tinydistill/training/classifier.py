"""The LightningModule of a model with a head on a task.

B: windows in a batch, L: tokens in the longest, C: outputs of the prediction layer, N: windows of a split, P: their
tokens.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from tinydistill.data.tasks.encoding import EncodedRows
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.sources import SELECTION
from tinydistill.errors import InputError
from tinydistill.kinds.base import Logits, TaskKind
from tinydistill.models.observation import encoder_inputs
from tinydistill.training.optimization import OptimizedModule

Batch = Mapping[str, Tensor]


@dataclass(frozen=True)
class Scoring:
    """How a task is scored: its kind, the names of its metrics, the one that counts, and its labeled validation splits.

    The first split chooses epochs and rates; what is reported is the score of the first that isn't kept aside for that.
    """

    kind: TaskKind
    metrics: Sequence[str]
    monitor: str
    splits: Mapping[str, Split]

    def names(self, split: Split) -> tuple[str, ...]:
        """The metrics of a split: those of `metrics` that there are of it, or else the first that there is."""
        there = self.kind.measures(split)
        return tuple(name for name in self.metrics if name in there) or there[:1]

    def counting(self, split: str) -> str:
        """The metric of a split that counts: `monitor`, or else its first."""
        names = self.names(self.splits[split])
        return self.monitor if self.monitor in names else names[0]

    @property
    def monitored(self) -> str:
        """The logged name of the score that chooses, SPLIT/METRIC."""
        first = next(iter(self.splits))
        return f"{first}/{self.counting(first)}"

    @property
    def reported_split(self) -> str:
        """The split whose score is reported."""
        return next((split for split in self.splits if split != SELECTION), next(iter(self.splits)))

    @property
    def reported(self) -> str:
        """The logged name of the score that is reported, SPLIT/METRIC."""
        return f"{self.reported_split}/{self.counting(self.reported_split)}"


class Answered(NamedTuple):
    """A model's answers to a batch: the windows' numbers [B] and their logits [B, C], on the CPU.

    Or, where every token has outputs, those [P, C] of all tokens, and the windows' `lengths` [B].
    """

    rows: Tensor
    logits: Tensor
    lengths: Tensor | None = None


def answered(batch: Batch, logits: Tensor) -> Answered:
    """A batch's logits [B, C], or [B, L, C] without what stands between the rows."""
    if logits.ndim == 2:
        return Answered(batch["row"].cpu(), logits.float().cpu())
    mask_BL = batch["attention_mask"].bool()
    return Answered(batch["row"].cpu(), logits[mask_BL].float().cpu(), mask_BL.sum(1).cpu())


def in_order(parts: Iterable[Answered]) -> tuple[NDArray[np.int64], Logits]:
    """The windows' numbers [N], rising, and their logits [N, C] or [P, C]."""
    rows, logits, lengths = zip(*parts, strict=True)
    numbers, values = torch.cat(rows), torch.cat(logits)
    order = numbers.argsort()
    if lengths[0] is None:
        values = values[order]
    else:
        chunks = values.split(torch.cat(lengths).tolist())
        values = torch.cat([chunks[place] for place in order.tolist()])
    return numbers[order].numpy(), values.numpy()


class Classifier(OptimizedModule):
    """Learn a task's labels. Batches hold input_ids [B, L], attention_mask, labels and row [B], as RowBatches does.

    Logged are `train/loss`, and after a validation `SPLIT/METRIC` of every split.

    Args:
        model: with the head of the task's kind.
        scoring: how it is validated.
        options: learning_rate, optimizer and scheduler, as OptimizedModule takes them.
    """

    def __init__(self, model: PreTrainedModel, scoring: Scoring, *, learning_rate: float = 5e-5, **options: Any):
        super().__init__(learning_rate=learning_rate, **options)
        self.model = model.train()
        self.scoring = scoring
        self.kind = scoring.kind
        """The task's kind as the model answered in its last validation: with what was chosen for it there."""
        self._seen: dict[int, list[Answered]] = defaultdict(list)  # by split, of the last validation

    @property
    def as_scored(self) -> Scoring:
        """How the last validation was scored, by the kind as the model answers."""
        return replace(self.scoring, kind=self.kind)

    def forward(self, batch: Batch) -> Tensor:
        """The logits [B, C] or [B, L, C]."""
        return self.scoring.kind.logits(self.model(**encoder_inputs(batch)))

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """What is minimized: a mean over the batch."""
        return self.scoring.kind.loss(logits, batch)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of one batch."""
        loss = self.loss(self(batch), batch)
        self.log_training({"train/loss": loss})
        return loss

    def on_validation_epoch_start(self) -> None:
        """Forget the validation before."""
        self._seen.clear()

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Keep the answers to a batch."""
        self._seen[dataloader_idx].append(answered(batch, self(batch)))

    def on_validation_epoch_end(self) -> None:
        """Log the scores of every split; nan where an answer is no finite number.

        What the kind must choose for a model, as thresholds, it chooses on the rows that are kept aside.
        """
        validated = self.validated()
        self.kind = self.scoring.kind
        if SELECTION in validated and np.isfinite(validated[SELECTION][1]).all():
            rows, logits = validated[SELECTION]
            self.kind = self.kind.fitted_to(*self._scored(SELECTION, rows, logits))
        for split, (rows, logits) in validated.items():
            scores = dict.fromkeys(self.scoring.names(self.scoring.splits[split]), math.nan)
            if np.isfinite(logits).all():
                scores = self._scores(split, rows, logits)
            named = {f"{split}/{name}": torch.tensor(value, device=self.device) for name, value in scores.items()}
            self.log_dict(named, sync_dist=True)

    def _scores(self, name: str, rows: NDArray[np.int64], logits: Logits) -> dict[str, float]:
        scored = self._scored(name, rows, logits)
        return self.kind.scores(self.scoring.names(scored[0]), self.kind.answers(*scored), scored[0])

    def _scored(self, name: str, rows: NDArray[np.int64], logits: Logits) -> tuple[Split, Logits, EncodedRows | None]:
        """The rows of a split that were validated, the logits, and where its kind needs them the tokens."""
        split, encoded = self.scoring.splits[name], None
        if self.kind.per_token:
            encoded = self.trainer.datamodule.encoded(split)
            if len(rows) < len(encoded):
                raise InputError(
                    f"{len(rows)} of the {len(encoded)} windows of {name} were validated, and a row's answer needs all "
                    "of its own",
                    "leave out {Trainer.limit_val_batches}; {SomeRows.max_rows} takes fewer rows",
                )
        elif len(rows) < len(split):  # the trainer limits the batches of a validation
            split = split.take(rows)
        return split, logits, encoded

    def validated(self) -> dict[str, tuple[NDArray[np.int64], Logits]]:
        """By split what the last validation scored: the windows' numbers [N], rising, and their logits, as `in_order`.

        All windows of the split, unless the trainer limits the batches of a validation.
        """
        return {split: in_order(self._seen[n]) for n, split in enumerate(self.scoring.splits) if self._seen[n]}

    def predict_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> Answered:
        """The answers to a batch."""
        return answered(batch, self(batch))


def by_row(predictions: Iterable[Answered]) -> Logits:
    """The logits [N, C] or [P, C] in the order of the windows, from what `Trainer.predict` collected of a split."""
    return in_order(predictions)[1]
