"""Lightning's checkpoints as runs here use them: one to go on from, and the weights that scored best."""

from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint


def last_checkpoint(directory: Path) -> Path | None:
    """The checkpoint to go on from, if an earlier run left one."""
    path = directory / "checkpoints" / "last.ckpt"
    return path if path.is_file() else None


def best_checkpoint(directory: Path, monitor: str, mode: str = "max") -> ModelCheckpoint:
    """The weights as they were when a validation score was best, the first time on a tie; nan is never best.

    The file's name is fixed: a run that goes on from an older checkpoint finds weights there that are at least as good
    as those that it knows of.
    """
    return ModelCheckpoint(
        directory / "checkpoints",
        filename="best",
        monitor=monitor,
        mode=mode,
        enable_version_counter=False,
        save_weights_only=True,
        save_on_train_epoch_end=False,  # but when there is a score
    )


def load_best(trainer: pl.Trainer, module: pl.LightningModule) -> int:
    """Put the best weights of a run back, and return the optimizer step that they are of.

    Those that the run has ended with, where it was never validated or the trainer keeps no best ones.
    """
    for callback in trainer.checkpoint_callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.monitor and callback.best_model_path:
            checkpoint = torch.load(callback.best_model_path, map_location="cpu", weights_only=True)
            module.load_state_dict(checkpoint["state_dict"])
            return int(checkpoint["global_step"])
    return int(trainer.global_step)
