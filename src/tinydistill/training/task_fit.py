"""Training on a task's rows, whatever the loss: validated after every epoch, ending with the best weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Timer

from tinydistill.console import say
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.training import dashboards, scoring
from tinydistill.training.checkpoints import best_checkpoint, load_best
from tinydistill.training.classifier import Classifier, Scoring, answered, by_row
from tinydistill.training.epochs import EpochScores
from tinydistill.training.prediction_files import write_validated
from tinydistill.training.runtime import training_seconds

ROWS = 100  # of a validation split that are looked at one by one


def watching(directory: Path, scored: Scoring) -> list[pl.Callback]:
    """The callbacks that `fit_task` counts on; checkpoints go below the directory."""
    return [Timer(), best_checkpoint(directory, scored.monitored), EpochScores(scored)]


def fit_task(
    trainer: pl.Trainer,
    module: Classifier,
    data: TaskDataModule,
    *,
    checkpoint: Path | None = None,
    predictions: Path | None = None,
) -> dict[str, Any]:
    """Train, going on from a checkpoint, and return the report; the module ends with its best weights.

    The trainer has the callbacks of `watching`. In the report: `scores` of the best weights by split and metric,
    `epochs` (the scores of each), `train_loss`, `steps`, `best_step`, `seconds`, and what the kind of the task has
    chosen for these weights, which the model's configuration has too, as `configuration`. What the best weights predict
    of the validation rows is written below the directory `predictions`.
    """
    if checkpoint:
        say(f"going on from {checkpoint}")
    trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    steps, seconds = trainer.global_step, training_seconds(trainer)
    best_step = load_best(trainer, module)
    scores = scoring.validate(trainer, module, data)
    if predictions is not None and trainer.is_global_zero:
        write_validated(predictions, module.as_scored, module.validated(), data)
    if data.target.labeled:
        dashboards.log_table(trainer.loggers, "predictions", *worst_rows(module, data))
    dashboards.finish(trainer.loggers)
    watched = next(one for one in trainer.callbacks if isinstance(one, EpochScores))
    return {
        "scores": scores,
        "epochs": watched.epochs,
        "train_loss": None if watched.train_loss is None else scoring.defined(float(watched.train_loss)),
        "steps": steps,
        "best_step": best_step,
        "seconds": seconds,
        **scoring.configure(module),
    }


@torch.no_grad()
def worst_rows(module: Classifier, data: TaskDataModule) -> tuple[list[str], list[list[Any]]]:
    """Columns, and the first rows of the reported split with label, prediction and loss, the worst ones first."""
    kind, training = module.kind, module.training
    some = data.validation[module.scoring.reported_split]
    some = some.take(np.arange(min(ROWS, len(some))))
    encoded, losses = data.encoded(some), np.zeros(len(some))
    module.eval()
    seen = []
    for batch in data.loader(some):
        batch = {name: value.to(module.device) for name, value in batch.items()}
        logits = module(batch)
        seen.append(answered(batch, logits))
        for place, window in enumerate(batch["row"].tolist()):
            alone = {name: value[place : place + 1] for name, value in batch.items()}
            loss = float(kind.loss(logits[place : place + 1], alone))
            losses[encoded.owners[window]] = np.fmax(losses[encoded.owners[window]], loss)
    module.train(training)
    answers = kind.answers(some, by_row(seen), encoded)
    texts = {"text": some.texts} | ({} if some.pairs is None else {"text_pair": some.pairs})
    given, said = (_short(kind.shown(values, some)) for values in (some.labels, answers))
    columns = {**texts, "label": given, "prediction": said, "loss": [round(loss, 4) for loss in losses.tolist()]}
    rows = [[row, *(column[row] for column in columns.values())] for row in range(len(some))]
    return ["row", *columns], sorted(rows, key=lambda row: -row[-1])


def _short(values: Sequence[Any]) -> list[Any]:
    return [round(value, 3) if isinstance(value, float) else value for value in values]
