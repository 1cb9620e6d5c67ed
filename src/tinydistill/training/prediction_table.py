"""What a model says of some validation rows, the worst ones first, as a table to look at."""

from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.training.classifier import Classifier

ROWS = 100


@torch.no_grad()
def rows(module: Classifier, data: TaskDataModule) -> tuple[list[str], list[list[Any]]]:
    """Columns, and the first validation rows with label, prediction and loss."""
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
