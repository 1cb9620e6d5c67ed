"""Training steps timed where they happen, inside of Lightning's trainer, with all that it does around them.

B: rows in a batch, L: word pieces in the longest of them.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytorch_lightning as pl
from torch import Tensor

from tinydistill.benchmarking.flops import counted
from tinydistill.benchmarking.gemm import wait
from tinydistill.data.loading import Batch, BatchLoader, Order, RowNumbers

_ENDLESS = 10**6  # batches: the timer stops earlier


class CountedFirst(Sequence[RowNumbers]):
    """The batches of a run over and over, after single rows [1] to count the FLOPs of."""

    def __init__(self, single: Sequence[int], order: Sequence[RowNumbers] | Order):
        self.single = [np.array([row], np.int64) for row in single]
        self.order = order

    def __len__(self) -> int:
        return _ENDLESS

    def __getitem__(self, batch: Any) -> Any:
        if batch >= _ENDLESS:
            raise IndexError(batch)
        if batch < len(self.single):
            return self.single[batch]
        return self.order[(batch - len(self.single)) % len(self.order)]


@dataclass
class Steps:
    """What was done in the time that was measured; word pieces without padding, FLOPs with it."""

    steps: int = 0
    rows: int = 0
    pieces: int = 0
    flops: float = 0.0
    seconds: float = 0.0


class StepTimer(pl.Callback):
    """Counts the FLOPs of the first batches, warms up, times what follows, and stops the trainer.

    Args:
        single: how many batches come first that are one row each, a row of every length L that follows.
        seconds: how long steps are timed.
        warmup: steps before the first that counts.
        least: steps that are timed at least.
    """

    def __init__(self, single: int, seconds: float, *, warmup: int = 2, least: int = 3):
        self.seconds, self.least = seconds, least
        self.single, self.first = single, single + warmup
        self.done = Steps()
        self._flops: dict[int, int] = {}  # of a row, by L
        self._counting = ExitStack()
        self._start = 0.0

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Begins to count."""
        if batch_idx < self.single:
            self._counter = self._counting.enter_context(counted())

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Adds a batch to what was done."""
        rows, width = batch["input_ids"].shape
        if batch_idx < self.single:
            self._counting.close()
            self._flops[width] = self._counter.get_total_flops()
            return
        if batch_idx >= self.first:
            self.done.steps += 1
            self.done.rows += rows
            self.done.pieces += word_pieces(batch)
            self.done.flops += rows * self._flops[width]
            self.done.seconds = time.perf_counter() - self._start
        if self.done.steps >= self.least and self.done.seconds >= self.seconds:
            wait(pl_module.device)
            self.done.seconds = time.perf_counter() - self._start
            trainer.should_stop = True
        if batch_idx == self.first - 1:
            wait(pl_module.device)
            self._start = time.perf_counter()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Counts no longer."""
        self._counting.close()


def word_pieces(batch: Batch) -> int:
    """Those of a batch that aren't padding."""
    mask: Tensor | None = batch.get("attention_mask")
    return int(batch["input_ids"].numel() if mask is None else mask.sum())


def loader(of: BatchLoader, single: Sequence[int]) -> BatchLoader:
    """The batches of a run's loader, after single rows."""
    return BatchLoader(of.rows, CountedFirst(single, of.order), of.num_workers)
