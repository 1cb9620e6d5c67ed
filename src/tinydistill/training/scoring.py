"""What the stages on a task have in common: its rows for a model, its scores, and how they are shown."""

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from tinydistill.config.build import data as inputs
from tinydistill.config.build.sources import Source, Values, longest_input
from tinydistill.console import say, table
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.errors import UserError
from tinydistill.models.observation import encoder_inputs
from tinydistill.training import metrics
from tinydistill.training.classifier import Classifier, Scoring

Scores = dict[str, float | None]  # by metric; None where one isn't defined, as a correlation with a constant


def check_length(values: Values, *sources: Source) -> None:
    """Raises UserError where a task's rows may be longer than a model has positions for."""
    longest = min(longest_input(source.config) for source in sources)
    if values["task"]["max_length"] > longest:
        raise UserError(f"task.max_length={values['task']['max_length']} is too long: the model ends at {longest}")


def task_data(values: Values, source: TaskSource, model: Source, **options: Any) -> TaskDataModule:
    """The task's rows as the model's tokenizer cuts them; `options` as TaskDataModule takes them."""
    return TaskDataModule(
        source,
        model.tokenizer,
        max_length=values["task"]["max_length"],
        cache_dir=Path(values["paths"]["cache"]),
        seed=values["seed"],
        num_workers=values["trainer"]["workers"],
        overfit=values["debug"]["overfit"],
        **options,
    )


def scoring(values: Values, source: TaskSource) -> Scoring:
    """How conf/task says that a task is scored. Raises UserError where that doesn't fit what is predicted."""
    options, target = values["task"], source.target
    names = tuple(dict.fromkeys([options["monitor"], *options["metrics"]]))
    metrics.task_metrics(names, target.outputs, target.regression)
    return Scoring(names, options["monitor"], tuple(source.validation()), target.outputs, target.regression)


def settings(values: Values, source: TaskSource) -> dict[str, Any]:
    """What of a task makes a difference to the model that learns it."""
    kept = {name: values["task"][name] for name in ("max_length", "monitor")}
    return {"rows": source.identity(), **kept, **inputs.debugged(values)}


def sample_batches(data: TaskDataModule, tokens: int) -> list[dict[str, Tensor]]:
    """The first training batches, until they hold this many word pieces."""
    sample, seen = [], 0
    for batch in data.train_dataloader():
        sample.append(encoder_inputs(batch))
        seen += int(batch["attention_mask"].sum())
        if seen >= tokens:
            break
    return sample


def validate(trainer: pl.Trainer, module: Classifier, data: TaskDataModule) -> dict[str, Scores]:
    """The scores of every validation split."""
    seen: dict[str, float] = {}
    for found in trainer.validate(module, datamodule=data, verbose=False):
        seen |= found
    scoring = module.scoring
    return {split: {name: _defined(seen[f"{split}/{name}"]) for name in scoring.metrics} for split in scoring.splits}


def majority_scores(scoring: Scoring, splits: Mapping[str, Split]) -> dict[str, Scores]:
    """The scores of one who always says a split's commonest class; None for a regression, which has none."""
    if scoring.regression:
        return {name: dict.fromkeys(scoring.metrics) for name in splits}
    labels = {name: torch.from_numpy(split.labels) for name, split in splits.items()}
    return {name: score(scoring, metrics.majority(values), values) for name, values in labels.items()}


def score(scoring: Scoring, predictions: Tensor, labels: Tensor) -> Scores:
    """The scores of predictions [N] (class numbers, or numbers) against labels [N]."""
    computed = metrics.scores(scoring.metrics, scoring.outputs, scoring.regression, predictions, labels)
    return {name: _defined(computed[name]) for name in scoring.metrics}


def rows_identity(splits: Mapping[str, Split]) -> str:
    """The same for the same rows in splits of the same names."""
    return hashlib.sha256(repr([(name, split.identity()) for name, split in splits.items()]).encode()).hexdigest()


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def announce(name: str, data: TaskDataModule) -> None:
    """Says what rows there are, and how many of them are cut."""
    splits = (data.train, *data.validation.values())
    rows = []
    for split in splits:
        cut = data.encoded(split).truncated
        rows.append(
            f"{split.name} {len(split):,}" + (f" ({cut:,} cut at {data.max_length} word pieces)" if cut else "")
        )
    left = sum(split.skipped for split in splits)
    say(f"rows of {name}: {', '.join(rows)}" + (f"; {left:,} damaged ones left out" if left else "") + "; one reads:")
    first = data.encoded(data.train)
    text = data.tokenizer.decode(first.pieces[first.offsets[0] : first.offsets[1]])
    label = None if data.train.labels is None else data.train.labels[0]
    shown = "" if label is None else f"  -> {label if data.target.regression else data.target.labels[label]}"
    say(f"  {text if len(text) <= 160 else f'{text[:160]}…'}{shown}")


def show(title: str, scores: Mapping[str, Scores], majority: Mapping[str, Scores]) -> None:
    """A table of scores beside the majority class's."""
    rows = [
        (f"{split} {metric}", cell(value), cell(majority[split][metric]))
        for split, of_split in scores.items()
        for metric, value in of_split.items()
    ]
    table(title, ("split, metric", "score", "majority class"), rows)


def cell(value: float | None) -> object:
    """A score as a table shows it."""
    return "-" if value is None else value
