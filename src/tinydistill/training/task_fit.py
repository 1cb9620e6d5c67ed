"""Training on a task's rows, whatever the loss: validated after every epoch, ending with the best weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch.nn import functional as F

from tinydistill.console import say
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.training import dashboards, scoring
from tinydistill.training.checkpoints import load_best
from tinydistill.training.classifier import Classifier
from tinydistill.training.runtime import training_seconds

ROWS = 100  # of a validation split that are looked at one by one


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
    dashboards.log_table(trainer.loggers, "predictions", *worst_rows(module, data))
    dashboards.finish(trainer.loggers)
    return {
        "scores": scores,
        "train_loss": None if loss is None else float(loss),
        "steps": steps,
        "best_step": best_step,
        "seconds": seconds,
    }


@torch.no_grad()
def worst_rows(module: Classifier, data: TaskDataModule) -> tuple[list[str], list[list[Any]]]:
    """Columns, and the first validation rows with label, prediction and loss, the worst ones first."""
    split = next(iter(data.validation.values()))
    target, device, training = data.target, module.device, module.training
    module.eval()
    found = []
    for batch in data.loader(split):
        chosen = batch["row"] < ROWS
        if not chosen.any():
            continue
        batch = {name: value[chosen].to(device) for name, value in batch.items()}
        logits = module(batch).float().cpu()
        labels = batch["labels"].cpu()
        if target.regression:
            losses = (logits[:, 0] - labels).square()
            said: list[Any] = [round(float(value), 3) for value in logits[:, 0]]
            given: list[Any] = [round(float(label), 3) for label in labels]
        else:
            losses = F.cross_entropy(logits, labels, reduction="none")
            said, given = ([target.labels[int(i)] for i in numbers] for numbers in (logits.argmax(-1), labels))
        for place, row in enumerate(batch["row"].tolist()):
            pair = [] if split.pairs is None else [split.pairs[row]]
            found.append([row, split.texts[row], *pair, given[place], said[place], round(float(losses[place]), 4)])
    module.train(training)
    order = np.argsort([-row[-1] for row in found], kind="stable")
    second = [] if split.pairs is None else ["text_pair"]
    return ["row", "text", *second, "label", "prediction", "loss"], [found[i] for i in order]
