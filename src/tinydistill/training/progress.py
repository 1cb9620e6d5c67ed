"""Progress of a training run: a bar on a terminal, a plain line now and then elsewhere."""

import sys
import time
from typing import Any

import pytorch_lightning as pl
import torch
from tqdm import tqdm

from tinydistill.benchmarking import memory
from tinydistill.console import LINE_EVERY, Meter, duration

_FIRST_STEPS = 3  # which are slower than the others, and not measured
_MEASURED_STEPS = 5


class Progress(pl.Callback):
    """Shows steps, tokens per second, time left and the mean losses since the last showing; logs the speed."""

    def __init__(self, *, shown: bool = True):
        self.shown = shown
        self.steps = 0
        self._bar: tqdm | None = None
        self._tokens = 0
        self._losses: dict[str, list[float]] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Starts the clock."""
        self.steps = int(trainer.estimated_stepping_batches)
        self._first_step = trainer.global_step
        self._first_time = self._last_time = time.monotonic()
        self._warm: float | None = None
        self._estimated = False
        self.shown = self.shown and trainer.is_global_zero
        if self.shown and sys.stderr.isatty():
            self._bar = tqdm(
                total=self.steps, initial=trainer.global_step, unit="step", dynamic_ncols=True, leave=False
            )

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Counts a batch, and shows where the run is when it is time."""
        mask = batch.get("attention_mask")
        self._tokens += int(batch["input_ids"].numel() if mask is None else mask.sum())
        now = time.monotonic()
        self._estimate(trainer.global_step, now)
        if self._bar is not None:
            self._bar.update(trainer.global_step - self._bar.n)
        if now - self._last_time < (1.0 if self._bar is not None else LINE_EVERY) and trainer.global_step < self.steps:
            return
        speed = self._tokens * trainer.world_size / max(now - self._last_time, 1e-9)
        pl_module.log("speed/tokens_per_second", speed)
        for name, size in peak_memory().items():
            pl_module.log(f"memory/{name}", size)
        self._tokens, self._last_time = 0, now
        if self.shown:
            self._show(trainer, speed, now)

    def _estimate(self, step: int, now: float) -> None:
        """Says once how long the run is going to take, when a few steps have been measured."""
        done = step - self._first_step
        if done == _FIRST_STEPS and self._warm is None:
            self._warm = now
        if self._warm is None or self._estimated or done < _FIRST_STEPS + _MEASURED_STEPS:
            return
        self._estimated = True
        each = (now - self._warm) / (done - _FIRST_STEPS)
        whole = (self._warm - self._first_time) + each * (self.steps - self._first_step - _FIRST_STEPS)
        if self.shown and whole > LINE_EVERY and 2 * done <= self.steps - self._first_step:
            tqdm.write(f"at {each:.2f} s a step this takes about {duration(whole)}", file=sys.stdout)
            sys.stdout.flush()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Says where the run stopped."""
        if self._bar is not None:
            self._bar.close()
        if self.shown and trainer.global_step:
            print(f"stopped at step {trainer.global_step}; the same command goes on from there", flush=True)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Clears the bar."""
        if self._bar is not None:
            self._bar.close()

    def _show(self, trainer: pl.Trainer, speed: float, now: float) -> None:
        done = trainer.global_step - self._first_step
        left = (self.steps - trainer.global_step) * (now - self._first_time) / max(done, 1)
        losses = shown_losses(trainer.callback_metrics)
        if self._bar is not None:
            self._bar.set_postfix_str(f"{speed:,.0f} tokens/s  {losses}")
        else:
            print(
                f"step {trainer.global_step}/{self.steps}  {speed:,.0f} tokens/s  {duration(left)} left  {losses}",
                flush=True,
            )


class PredictionProgress(pl.Callback):
    """Shows how far `Trainer.predict` is, and the time left; `predict_step` returns how many units it did."""

    def __init__(self, total: int, unit: str, *, shown: bool = True):
        self.total, self.unit, self.shown = total, unit, shown

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Starts the clock."""
        self._meter = Meter("asking the model", self.unit, self.total, shown=self.shown)

    def on_predict_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Counts a batch; other devices are taken to be as far."""
        self._meter.update(min(outputs * trainer.world_size, self.total - self._meter.done))

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Clears the bar."""
        self._meter.close()


class EvaluationProgress(pl.Callback):
    """Shows how far `Trainer.validate` is, alone or in the middle of training, and `Trainer.predict` over rows."""

    def __init__(self, *, shown: bool = True):
        self.shown = shown

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Starts the clock."""
        self._start("measuring", trainer.num_val_batches)

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Starts the clock."""
        self._start("predicting", trainer.num_predict_batches)

    def _start(self, what: str, batches: Any) -> None:
        total = sum(batches) if isinstance(batches, list) else batches
        self._meter = Meter(what, "batch", int(total), shown=self.shown)

    def on_validation_batch_end(self, *_: Any, **__: Any) -> None:
        """Counts a batch."""
        self._meter.update()

    def on_predict_batch_end(self, *_: Any, **__: Any) -> None:
        """Counts a batch."""
        self._meter.update()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Clears the bar."""
        self._meter.close()

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Clears the bar."""
        self._meter.close()


def peak_memory() -> dict[str, float]:
    """The largest resident set of this process so far in GB, and where a GPU computes, the most it has held."""
    found = {"peak_gb": memory.peak(torch.device("cpu")) / 1e9}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        found["gpu_peak_gb"] = memory.peak(torch.device("cuda")) / 1e9
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
