"""Whether a single batch can be learned, with `Trainer(overfit_batches=1)`: what can't learn that learns nothing."""

from typing import Any

import pytorch_lightning as pl

from tinydistill.console import say
from tinydistill.errors import InputError

ENOUGH = 0.9  # of the first loss: what the last one must be below


class OverfitCheck(pl.Callback):
    """Compare the first and the last loss of a run; InputError where it didn't fall."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Keep the loss of a batch."""
        self.losses.append(float(trainer.callback_metrics["train/loss"]))

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare."""
        if not self.losses:
            return
        first, last = self.losses[0], self.losses[-1]
        found = f"one batch, learned {len(self.losses)} times: its loss went from {first:.4g} to {last:.4g}"
        if not last < ENOUGH * first:
            raise InputError(found, "look at the learning rate, at the losses' weights, and at the data that is shown")
        say(found)
