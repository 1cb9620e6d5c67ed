"""Training steps timed where they happen, inside of Lightning's trainer, with all that it does around them.

Lightning's ThroughputMonitor must be told the FLOPs of a batch, waits for the device after each, and ends no run.

B: rows in a batch, L: tokens in the longest of them.
"""

import time
from contextlib import ExitStack
from statistics import median
from typing import Any

import pytorch_lightning as pl

from tinydistill.benchmarking.gemm import counted, wait
from tinydistill.benchmarking.piece import MEDIAN, Piece
from tinydistill.models.observation import valid_tokens


def measure_steps(
    name: str,
    module: pl.LightningModule,
    loader: Any,
    trainer: pl.Trainer,
    *,
    seconds: float,
    whole: float | None = None,
) -> Piece:
    """Time steps of a run in the trainer of its stage, logging included; speed in tokens without padding.

    Args:
        name: what is done.
        module: what is trained.
        loader: its batches, each with input_ids [B, L], over and over.
        trainer: one that wouldn't end by itself: max_epochs=-1, max_steps far away, limit_val_batches=0.
        seconds: how long steps are timed.
        whole: tokens of a whole run.
    """
    timer = StepTimer(seconds)
    trainer.callbacks.insert(0, timer)
    trainer.fit(module, loader)
    more = {"steps": timer.steps, "rows": timer.rows, MEDIAN: median(timer.speeds or [timer.tokens / timer.seconds])}
    return Piece(name, "token", timer.tokens, timer.seconds, timer.flops, whole, more)


class StepTimer(pl.Callback):
    """Warms up, times what follows, and stops the trainer; FLOPs are counted with padding, tokens without.

    The first batch of every length L is cut to one row [1, L] to count its FLOPs, while the clock stands still.

    Args:
        wanted: how many seconds steps are timed.
        warmup: steps before the first that counts.
        least: steps that are timed at least.
    """

    def __init__(self, wanted: float, *, warmup: int = 2, least: int = 3):
        self.wanted, self.warmup, self.least = wanted, warmup, least
        self.steps = self.rows = self.tokens = 0
        self.flops = self.seconds = 0.0
        self.speeds: list[float] = []
        """Tokens a second of every step that was timed; none of a GPU's, which isn't waited for after each."""
        self._flops: dict[int, int] = {}  # of a row, by L
        self._counting = ExitStack()
        self._start = 0.0

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Begin to count where the length is new."""
        if batch["input_ids"].shape[1] not in self._flops:
            self._stop(pl_module)
            batch |= {name: rows[:1] for name, rows in batch.items()}
            self._counter = self._counting.enter_context(counted())

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Add a batch to what was done."""
        rows, width = batch["input_ids"].shape
        if width not in self._flops:
            self._counting.close()
            self._flops[width] = self._counter.get_total_flops()
        elif self.warmup:
            self.warmup -= 1
        else:
            tokens = int(valid_tokens(batch).sum())
            self.steps += 1
            self.rows += rows
            self.tokens += tokens
            self.flops += rows * self._flops[width]
            lap = self._lap()
            if pl_module.device.type == "cpu":
                self.speeds.append(tokens / lap)
            if self.steps >= self.least and self.seconds >= self.wanted:
                self._stop(pl_module)
                trainer.should_stop = True
            return
        wait(pl_module.device)
        self._start = time.perf_counter()

    def _stop(self, module: pl.LightningModule) -> None:
        """Stop the clock, once the device has done what it was given."""
        wait(module.device)
        if self.steps:
            self._lap()

    def _lap(self) -> float:
        """The seconds since the last lap, which now count."""
        now = time.perf_counter()
        lap, self._start = now - self._start, now
        self.seconds += lap
        return lap

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Count no longer."""
        self._counting.close()
