"""Check exported files: their answers to the first validation split against the model's."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from tinydistill.data.loading import Batch
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.export.agreement import Agreement, Bounds, agreement
from tinydistill.export.exported import PYTORCH, RUNTIMES
from tinydistill.export.onnx_export import FILES
from tinydistill.export.sessions import session
from tinydistill.kinds.base import Logits
from tinydistill.training import scoring
from tinydistill.training.answering import in_torch
from tinydistill.training.classifier import Scoring, answered, by_row


class Checks:
    """The checks of a model's files: `rows` has an entry for the model, and one for each file that keeps to the bounds.

    `close` is a margin in probability up to which another answer is as good.
    """

    def __init__(self, model: PreTrainedModel, data: TaskDataModule, scored: Scoring, bounds: Bounds, *, close: float):
        self.data, self.scored, self.bounds, self.close = data, scored, bounds, close
        self.split = data.validation[scored.reported_split]
        self.rows: list[dict[str, Any]] = []
        self.original = self._said(in_torch(model, scored.kind))
        self.margins = scored.kind.margins(self.original[0])
        labeled = self.split.labels is not None
        self.confusion = scored.kind.confusion(self.original[1], self.split) if labeled else None
        self._keep(PYTORCH, self.original, self._compared(self.original))

    def add(self, name: str, file: Path, quantized: str) -> None:
        """Check a format's file, of which `quantized` is in int8. Raises InputError where a bound is broken."""
        found = self._said(answer_of(file))
        kept = self._compared(found)
        self.bounds.check(FILES[name], kept, int8=bool(quantized), of=self.scored.kind.answered)
        self._keep(RUNTIMES[name], found, kept, **({"quantized": quantized} if quantized else {}))

    def _said(self, answer: Callable[[Batch], Tensor]) -> tuple[Logits, Any]:
        logits = by_row(answered(batch, answer(batch)) for batch in self.data.loader(self.split))
        return logits, self.scored.kind.answers(self.split, logits, self.data.encoded(self.split))

    def _compared(self, found: tuple[Logits, Any]) -> Agreement:
        return agreement(self.scored.kind, found, self.original, margins=self.margins, close=self.close)

    def _keep(self, name: str, found: tuple[Logits, Any], kept: Agreement, **more: str) -> None:
        scores = {} if self.split.labels is None else scoring.score(self.scored, found[1], self.split)
        score = scores.get(self.scored.counting(self.scored.reported_split))
        self.rows.append({"name": name, **asdict(kept), **more, "score": score})


def answer_of(file: Path) -> Callable[[Batch], Tensor]:
    """What answers a batch from an exported file: its logits."""
    exported = session(file)
    return lambda batch: torch.from_numpy(exported(batch))
