"""Progress where there is no terminal: a plain line now and then. On a terminal Lightning shows its own bar."""

import math
import sys
import time
from typing import Any

import pytorch_lightning as pl
import torch

from tinydistill.console import LINE_EVERY, Meter, count, duration, say
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.text.datamodule import TextDataModule
from tinydistill.models.observation import valid_tokens
from tinydistill.platforms import peak_resident

_FIRST_STEPS = 3  # which are slower than the others, and not measured
_MEASURED_STEPS = 5


class Progress(pl.Callback):
    """Log tokens per second and memory; without a terminal, print steps, speed, time left and the latest losses.

    Args:
        shown: whether anything is printed.
        questions: how many units a prediction has whose `predict_step` returns how many it did; None counts batches.
        unit: what these are called.
    """

    def __init__(self, *, shown: bool = True, questions: int | None = None, unit: str = "batch"):
        self.shown, self.questions, self.unit = shown, questions, unit

    @property
    def _prints(self) -> bool:
        return self.shown and not sys.stderr.isatty()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say what is going to be done, and start the clock."""
        self.steps, self._first_step = int(trainer.estimated_stepping_batches), trainer.global_step
        self._first_time = self._last_time = time.monotonic()
        self._warm, self._tokens, self._estimated = self._first_time, 0, False
        self.shown = self.shown and trainer.is_global_zero
        if self.shown:
            say(plan(trainer))

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count a batch, and show where the run is when it is time."""
        self._tokens += int(valid_tokens(batch).sum())
        now, step = time.monotonic(), trainer.global_step
        self._estimate(step - self._first_step, now)
        if now - self._last_time < (LINE_EVERY if self._prints else 1.0) and step < self.steps:
            return
        speed = self._tokens * trainer.world_size / max(now - self._last_time, 1e-9)
        pl_module.log("speed/tokens_per_second", speed, prog_bar=True)
        for name, size in peak_memory().items():
            pl_module.log(f"memory/{name}", size)
        self._tokens, self._last_time = 0, now
        if self._prints:
            left = duration((self.steps - step) * (now - self._first_time) / max(step - self._first_step, 1))
            losses = shown_losses(trainer.callback_metrics)
            say(f"step {step}/{self.steps}  {speed:,.0f} tokens/s  {left} left  {losses}")

    def _estimate(self, done: int, now: float) -> None:
        """Say once how long the run is going to take, when a few steps have been measured."""
        if done == _FIRST_STEPS:
            self._warm = now  # with several batches in a step, of the last one
        if done != _FIRST_STEPS + _MEASURED_STEPS or self._estimated:
            return
        self._estimated = True
        each, steps = (now - self._warm) / _MEASURED_STEPS, self.steps - self._first_step
        whole = self._warm - self._first_time + each * (steps - _FIRST_STEPS)
        if self._prints and whole > LINE_EVERY and 2 * done <= steps:
            say(f"at {each:.2f} s a step this takes about {duration(whole)}")

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._meter = Meter("measuring", "batch", int(sum(trainer.num_val_batches)), shown=self._prints)

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        total = self.questions or int(sum(trainer.num_predict_batches))
        self._meter = Meter("predicting", self.unit, total, shown=self._prints)

    def on_validation_batch_end(self, *_: Any) -> None:
        """Count a batch."""
        self._meter.update()

    def on_predict_batch_end(self, trainer: pl.Trainer, _module: Any, outputs: Any, *_: Any) -> None:
        """Count a batch; other devices are taken to be as far."""
        done = 1 if self.questions is None else outputs * trainer.world_size
        self._meter.update(min(done, (self._meter.total or 0) - self._meter.done))


def peak_memory() -> dict[str, float]:
    """In GB the largest resident set of this process, if known, and where a GPU computes, the most it has held."""
    most = peak_resident()
    found = {} if most is None else {"peak_gb": most / 1e9}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        found["gpu_peak_gb"] = torch.cuda.max_memory_allocated() / 1e9
    return found


def shown_losses(metrics: dict[str, Any]) -> str:
    """The loss and, of every kind of term, the mean over layers: unexplained variance where there is one, else raw."""
    means: dict[str, dict[str, list[float]]] = {"unexplained": {}, "raw": {}}
    for key, value in metrics.items():
        stage, measure, *term = key.split("/")
        if stage == "train" and measure in means:
            means[measure].setdefault(term[0], []).append(float(value))
    kinds = {kind: means["unexplained"].get(kind, values) for kind, values in means["raw"].items()}
    parts = [f"{kind} {sum(values) / len(values):.3f}" for kind, values in kinds.items()]
    return "  ".join([f"loss {float(metrics['train/loss']):.3f}", *parts])


def plan(trainer: pl.Trainer) -> str:
    """How many steps, over how much; how long that is going to be, the progress says."""
    steps, data = int(trainer.estimated_stepping_batches), trainer.datamodule
    if isinstance(data, TextDataModule):
        blocks = steps * data.blocks_in_step
        return (
            f"plan: {steps:,} steps of {data.blocks_in_step:,} blocks, {count(blocks * data.max_length)} tokens in "
            f"all: {blocks / len(data.blocks.train):.3g} times the corpus"
        )
    if not isinstance(data, TaskDataModule):
        return f"plan: {steps:,} steps"
    batches = trainer.num_training_batches
    epochs = steps / math.ceil(batches / trainer.accumulate_grad_batches) * batches / len(data.order())
    rows = data.batch_size * trainer.accumulate_grad_batches * trainer.world_size
    tokens = count(epochs * float(data.encoded(data.train).lengths.sum()))
    return (
        f"plan: {steps:,} steps of {rows:,} rows, about {tokens} tokens in all: {epochs:.3g} times the "
        f"{len(data.train):,} rows"
    )
