"""Lightning's checkpoints as runs here use them: one to go on from, and the weights that scored best."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint


def last_checkpoint(directory: Path) -> Path | None:
    """The checkpoint to go on from, if an earlier run left one."""
    path = directory / "checkpoints" / "last.ckpt"
    return path if path.is_file() else None


def validate_when_resumed(trainer: pl.Trainer, checkpoint: dict[str, Any]) -> None:
    """Change a checkpoint that is saved before the validation of its step, or in it, so that all of it comes first.

    Lightning's would go on with the next step, or with the rest of the validation, and the best weights be lost.
    """
    loop = trainer.fit_loop.epoch_loop
    measured, learned = loop.val_loop.batch_progress, loop.batch_progress.current
    within = trainer.validating and not (
        measured.is_last_batch and measured.current.completed == measured.current.ready
    )
    due = learned.completed < learned.processed and loop._should_check_val_fx(trainer.fit_loop._data_fetcher)
    if not (within or due):
        return
    if within and "current_model_state" in checkpoint:  # averaged weights: they have changed places to be measured
        names = "state_dict", "current_model_state"
        checkpoint |= dict(zip(names, [checkpoint[name] for name in reversed(names)], strict=True))
    state = checkpoint["loops"]["fit_loop"]
    for counts in (state["epoch_loop.batch_progress"][scope] for scope in ("total", "current")):
        counts["completed"] = counts["processed"]
    begun = {"ready": 1, "started": 1, "processed": 0, "completed": 0}
    state["epoch_loop.val_loop.batch_progress"] |= {"total": begun, "current": dict.fromkeys(begun, 0)}


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
