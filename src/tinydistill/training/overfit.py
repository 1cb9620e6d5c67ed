"""Whether a single batch can be learnt: what can't learn that learns nothing."""

from typing import Any

import pytorch_lightning as pl

from tinydistill.console import say
from tinydistill.errors import UserError

ENOUGH = 0.9  # of the first loss: what the last one must be below


class Overfit(pl.Callback):
    """Compares the first and the last loss of a run whose batches are all the same; UserError where it didn't fall."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Keeps the loss of a batch."""
        self.losses.append(float(trainer.callback_metrics["train/loss"]))

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The verdict."""
        if not self.losses:
            return
        first, last = self.losses[0], self.losses[-1]
        told = f"one batch, learnt {len(self.losses)} times: its loss went from {first:.4g} to {last:.4g}"
        if not last < ENOUGH * first:
            raise UserError(f"{told}: look at the learning rate, at the losses' weights, and at the data that is shown")
        say(told)
