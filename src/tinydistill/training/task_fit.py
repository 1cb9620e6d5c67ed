"""Training on a task's rows, whatever the loss: validated after every epoch, ending with the best weights."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from tinydistill.console import say
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.training import dashboards, prediction_table, scoring
from tinydistill.training.checkpoints import load_best
from tinydistill.training.classifier import Classifier
from tinydistill.training.runtime import training_seconds


def fit_task(
    trainer: pl.Trainer, module: Classifier, data: TaskDataModule, *, checkpoint: Path | None = None
) -> dict[str, Any]:
    """Train, going on from a checkpoint, and return the report; the module ends with its best weights.

    The trainer has a `checkpoints.best_checkpoint` that monitors `module.scoring.monitored`.
    """
    if checkpoint:
        say(f"going on from {checkpoint}")
    trainer.fit(module, datamodule=data, ckpt_path=checkpoint)
    loss = trainer.callback_metrics.get("train/loss")  # none where a resumed run had no step left to do
    steps, seconds = trainer.global_step, training_seconds(trainer)
    best_step = load_best(trainer, module)
    scores = scoring.validate(trainer, module, data)
    dashboards.log_table(trainer.loggers, "predictions", *prediction_table.rows(module, data))
    dashboards.finish(trainer.loggers)
    return {
        "scores": scores,
        "train_loss": None if loss is None else float(loss),
        "steps": steps,
        "best_step": best_step,
        "seconds": seconds,
    }
