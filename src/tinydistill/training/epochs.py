"""The epochs of a task: a line with the scores of each, the loss, and an end where they get no better."""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.trainer.states import TrainerFn

from tinydistill.console import say
from tinydistill.training.classifier import Scoring
from tinydistill.training.scoring import defined


class EpochScores(pl.Callback):
    """Print and keep the score that counts on every validation split, after each epoch of a fit."""

    def __init__(self, scoring: Scoring):
        self.names = [f"{split}/{scoring.counting(split)}" for split in scoring.splits]
        self.epochs: list[dict[str, Any]] = []
        """Of every validation: epoch (from 1), step, and SPLIT/METRIC; None where a score isn't defined."""
        self.train_loss: torch.Tensor | None = None
        """Of the last batch that was trained on."""

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Keep the loss."""
        self.train_loss = trainer.callback_metrics["train/loss"]

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the scores of an epoch; those of the best weights, measured at the end, aren't an epoch's."""
        if trainer.state.fn != TrainerFn.FITTING:
            return
        scores = {name: defined(float(trainer.callback_metrics[name])) for name in self.names}
        self.epochs.append({"epoch": trainer.current_epoch + 1, "step": trainer.global_step, **scores})
        shown = (f"{name} {'-' if score is None else f'{score:.3f}'}" for name, score in scores.items())
        say(f"epoch {trainer.current_epoch + 1}: {'  '.join(shown)}")

    def state_dict(self) -> dict[str, Any]:
        """For a run that goes on from a checkpoint."""
        return {"epochs": self.epochs, "train_loss": self.train_loss}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As they were."""
        self.epochs, self.train_loss = list(state_dict["epochs"]), state_dict["train_loss"]


class Patience(EarlyStopping):
    """Lightning's early stopping, after so many validations that were no better; nan is never better.

    A run that goes on from a checkpoint of its very end stops at once, as it did before.
    """

    def __init__(self, monitor: str, patience: int, mode: str = "max"):
        super().__init__(monitor, patience=patience, mode=mode, check_finite=False, check_on_train_epoch_end=False)

    @property
    def _exhausted(self) -> bool:
        return self.wait_count >= self.patience

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Lightning's forgets when it goes on."""
        trainer.should_stop = trainer.should_stop or self._exhausted

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say why training has ended."""
        if self._exhausted:
            say(f"{self.monitor} was no better {self.patience} times: training ends at step {trainer.global_step}")
