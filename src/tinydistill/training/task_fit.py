"""Training on a task's rows, whatever the loss: validated after every epoch, ending with the best weights."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Timer
from torch.nn import functional as F

from tinydistill.console import say
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.training import dashboards, scoring
from tinydistill.training.checkpoints import best_checkpoint, load_best
from tinydistill.training.classifier import Classifier, Scoring, by_row
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
    `epochs` (the scores of each), `train_loss`, `steps`, `best_step`, `seconds`. What the best weights predict of the
    validation rows is written below the directory `predictions`.
    """
    if checkpoint:
        say(f"going on from {checkpoint}")
    trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    steps, seconds = trainer.global_step, training_seconds(trainer)
    best_step = load_best(trainer, module)
    scores = scoring.validate(trainer, module, data)
    if predictions is not None and trainer.is_global_zero:
        write_validated(predictions, data.validation, module.validated(), data.target.labels)
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
    }


@torch.no_grad()
def worst_rows(module: Classifier, data: TaskDataModule) -> tuple[list[str], list[list[Any]]]:
    """Columns, and the first rows of the reported split with label, prediction and loss, the worst ones first."""
    split, target, training = data.validation[module.scoring.reported_split], data.target, module.training
    module.eval()
    seen = []
    for batch in data.loader(split):
        chosen = {name: value[batch["row"] < ROWS].to(module.device) for name, value in batch.items()}
        if len(chosen["row"]):
            seen.append(module.predict_step(chosen, 0))
    module.train(training)
    logits = by_row(seen)
    labels = torch.as_tensor(split.labels)[: len(logits)]
    if target.regression:
        losses = (logits[:, 0] - labels).square()
        given, said = ([round(value, 3) for value in values.tolist()] for values in (labels, logits[:, 0]))
    else:
        losses = F.cross_entropy(logits, labels, reduction="none")
        given, said = ([target.labels[number] for number in numbers] for numbers in (labels, logits.argmax(-1)))
    texts = {"text": split.texts} | ({} if split.pairs is None else {"text_pair": split.pairs})
    columns = {**texts, "label": given, "prediction": said, "loss": [round(loss, 4) for loss in losses.tolist()]}
    rows = [[row, *(column[row] for column in columns.values())] for row in range(len(logits))]
    return ["row", *columns], sorted(rows, key=lambda row: -row[-1])
