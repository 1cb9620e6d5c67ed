"""Where a signal stops training: between two batches, on all devices before the same one."""

from typing import Any

import pytorch_lightning as pl
import torch

from tinydistill import signals


class StopBetweenBatches(pl.Callback):
    """A signal to the command line ends training when weights, optimizer and counts are those of the same step.

    What then is raised has Lightning save a checkpoint. Its own handler of SIGTERM would end the run with code 0.
    """

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Keep signals, from before a checkpoint is restored."""
        if trainer.strategy.launcher is not None:
            signals.pass_on(trainer.strategy.launcher.kill)
        if stage == "fit":
            signals.hold()

    def on_train_start(self, *_: Any) -> None:
        """Put Lightning's handler away."""
        signals.take_again()

    on_validation_start = on_predict_start = on_train_start

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """Stop if any of the devices was told to."""
        signum = signals.received()
        if trainer.world_size > 1:
            told = torch.tensor(signum, device=trainer.strategy.root_device)
            signum = int(trainer.strategy.reduce(told, reduce_op="max"))
        signals.check(signum)

    def on_validation_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """Stop; several devices, whose numbers of batches differ, measure to the end."""
        if trainer.world_size == 1:
            signals.check()

    def on_train_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Stop if a signal came in the last batch."""
        self.on_train_batch_start(trainer)

    def teardown(self, *_: Any, **__: Any) -> None:
        """From here on a signal stops the run at once, also where no step was left to do."""
        signals.release()
        signals.check()

    def on_exception(self, *_: Any) -> None:
        """What is being saved is whole by now."""
        signals.release()
