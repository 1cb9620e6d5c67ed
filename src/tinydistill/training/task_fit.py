"""Training on a task's rows, whatever the loss: validated after every epoch, ending with the best weights."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Timer

from tinydistill.config.build import training as trainers
from tinydistill.config.build.sources import Values
from tinydistill.console import say
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.training import dashboards, prediction_table, runtime, scoring
from tinydistill.training import plan as plans
from tinydistill.training.classifier import BestWeights, Classifier, Scoring
from tinydistill.training.optimization import Optimization


def fit(
    values: Values,
    options: Values,
    directory: Path,
    data: TaskDataModule,
    scored: Scoring,
    build: Callable[[Optimization], Classifier],
    teacher: Mapping[str, scoring.Scores] | None = None,
) -> dict[str, Any]:
    """Trains below `directory`, going on from a checkpoint there; the report.

    `options` are those of the stage or phase: learning_rate, warmup, weight_decay, clip, accumulate. `build` makes what
    is trained. `teacher` has the scores to compare with.
    """
    pl.seed_everything(values["seed"], verbose=False)
    timer, best = Timer(), BestWeights(scored.monitored)
    trainer = trainers.trainer(
        values, directory, options, callbacks=[timer, best, dashboards.TeachersLine(teacher or {})]
    )
    data.trainer = trainer  # the number of steps depends on the number of devices
    # after every epoch: what is chosen must not depend on conf/trainer
    trainer.val_check_interval = data.total_batches // max(1, round(data.total_batches / data.batches_per_epoch))
    checkpoint = runtime.last_checkpoint(directory)
    module = build(trainers.optimisation(options, data.total_steps))
    plans.announce(data)
    if checkpoint:
        say(f"going on from {checkpoint}")
    trainer.fit(module, datamodule=data, ckpt_path=checkpoint)
    loss = trainer.callback_metrics.get("train/loss")  # none where a resumed run had no step left to do
    best.restore(module)
    scores = scoring.validate(trainer, module, data)
    dashboards.log_table(trainer.loggers, "predictions", *prediction_table.rows(module, data))
    runtime.finish(trainer)
    return {
        "scores": scores,
        "train_loss": None if loss is None else float(loss),
        "steps": data.total_steps,
        "best_step": best.step,
        "seconds": round(timer.time_elapsed("train"), 1),
    }
