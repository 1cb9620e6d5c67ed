"""Progress of a training run: a bar on a terminal, a plain line now and then elsewhere."""

import sys
import time
from typing import Any

import pytorch_lightning as pl
from tqdm import tqdm

from tinydistill.console import duration

_LINE_EVERY = 15.0  # seconds between plain lines


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
        if self._bar is not None:
            self._bar.update(trainer.global_step - self._bar.n)
        if now - self._last_time < (1.0 if self._bar is not None else _LINE_EVERY) and trainer.global_step < self.steps:
            return
        speed = self._tokens * trainer.world_size / max(now - self._last_time, 1e-9)
        pl_module.log("speed/tokens_per_second", speed)
        self._tokens, self._last_time = 0, now
        if self.shown:
            self._show(trainer, speed, now)

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
        self._bar: tqdm | None = None

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Starts the clock."""
        self._done, self._first_time, self._last_time = 0, time.monotonic(), time.monotonic()
        self.shown = self.shown and trainer.is_global_zero
        if self.shown and sys.stderr.isatty():
            self._bar = tqdm(total=self.total, unit=self.unit, dynamic_ncols=True, leave=False)

    def on_predict_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Counts a batch, and shows where the run is when it is time; other devices are taken to be as far."""
        self._done = min(self._done + outputs * trainer.world_size, self.total)
        now = time.monotonic()
        if self._bar is not None:
            self._bar.update(self._done - self._bar.n)
        elif self.shown and now - self._last_time >= _LINE_EVERY:
            self._last_time = now
            speed = self._done / (now - self._first_time)
            left = duration((self.total - self._done) / speed)
            print(f"{self._done:,} of {self.total:,} {self.unit}s  {speed:,.0f} a second  {left} left", flush=True)

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Clears the bar."""
        if self._bar is not None:
            self._bar.close()


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
