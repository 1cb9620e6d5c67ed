"""The scores of a task's epochs: one line each as they come, and all of them in the result."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.trainer.states import TrainerFn

from tinydistill.console import say
from tinydistill.training.classifier import Scoring
from tinydistill.training.scoring import defined


class EpochScores(pl.Callback):
    """Print and keep the score that counts on every validation split, after each epoch of a fit."""

    def __init__(self, scoring: Scoring):
        self.names = [f"{split}/{scoring.monitor}" for split in scoring.splits]
        self.epochs: list[dict[str, Any]] = []
        """Of every validation: epoch (from 1), step, and SPLIT/METRIC; None where a score isn't defined."""

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
        return {"epochs": self.epochs}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As they were."""
        self.epochs = list(state_dict["epochs"])
