"""A callback: stop where the training loss no longer falls."""

from statistics import mean

import pytorch_lightning as pl


class StopOnPlateau(pl.Callback):
    """Stop when the mean loss of `steps` batches is less than a share `least` below that of the `steps` before."""

    def __init__(self, steps: int = 200, least: float = 0.01):
        self.steps, self.least, self.losses = steps, least, []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        """Compare once in every `steps` batches."""
        self.losses.append(float(trainer.callback_metrics["train/loss"]))
        if len(self.losses) == 2 * self.steps:
            before, after = mean(self.losses[: self.steps]), mean(self.losses[self.steps :])
            self.losses = self.losses[self.steps :]
            plateau = after > (1 - self.least) * before
            trainer.should_stop |= trainer.strategy.reduce_boolean_decision(plateau)
