"""What a model answers to rows that come part by part, so that memory doesn't grow with their number.

B: windows in a batch, L: tokens in the longest, C: outputs of the prediction layer, N: rows of a part.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinydistill.console import Meter
from tinydistill.data.loading import Batch, BatchLoader
from tinydistill.data.tasks.batches import RowBatches, every_row
from tinydistill.data.tasks.encoding import encode
from tinydistill.data.tasks.examples import Split
from tinydistill.kinds.base import Logits, TaskKind
from tinydistill.models.observation import encoder_inputs
from tinydistill.training.classifier import answered, by_row
from tinydistill.training.scoring import check_answers

ROWS_AT_ONCE = 4096
"""Rows that are read, cut into tokens, answered and written together."""


class Part(NamedTuple):
    """A part of the rows, the logits and the answers to it, and how many of its rows were cut."""

    split: Split
    logits: Logits
    answers: Any
    cut: int


def in_torch(model: PreTrainedModel, kind: TaskKind) -> Callable[[Mapping[str, Tensor]], Tensor]:
    """What gives a batch's logits [B, C] or [B, L, C]: the model in eval mode, where it is."""
    model.eval()

    def answer(batch: Mapping[str, Tensor]) -> Tensor:
        with torch.inference_mode():
            inputs = {name: tensor.to(model.device) for name, tensor in encoder_inputs(batch).items()}
            return kind.logits(model(**inputs))

    return answer


@dataclass(frozen=True)
class Answering:
    """A model that answers the rows of a kind of task.

    Attributes:
        called: what messages call the model.
        kind: the task's, as the model answers.
        tokenizer: the model's.
        answer: gives the logits of a batch, as `in_torch` makes it.
        max_length: tokens in a window at most.
        batch_size: windows that are answered together.
    """

    called: str
    kind: TaskKind
    tokenizer: PreTrainedTokenizerBase
    answer: Callable[[Batch], Tensor]
    max_length: int
    batch_size: int

    def parts(self, splits: Iterable[Split]) -> Iterator[Part]:
        """The answers to every split, whose number of rows is shown. Raises RunError where one isn't finite."""
        with Meter("answering", "row") as meter:
            for split in splits:
                yield self.part(split)
                meter.update(len(split))

    def part(self, split: Split) -> Part:
        """The answers to the rows of a split. Raises RunError where one isn't finite."""
        with TemporaryDirectory(prefix="tinydistill-", ignore_cleanup_errors=True) as directory:
            windows = self.kind.target.windows
            rows = encode(split, self.tokenizer, max_length=self.max_length, cache_dir=directory, windows=windows)
            pad = self.tokenizer.pad_token_id or 0
            loader = BatchLoader(
                RowBatches(rows, None, pad=pad, max_length=self.max_length), every_row(rows.lengths, self.batch_size)
            )
            logits = by_row(answered(batch, self.answer(batch)) for batch in loader)
            check_answers(self.called, split.name, logits)
            return Part(split, logits, self.kind.answers(split, logits, rows), rows.truncated)
