"""A task's scores, and how rows and scores are shown."""

import hashlib
import math
from collections.abc import Iterable, Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from tinydistill.console import say, table
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.tasks.examples import Split, Target
from tinydistill.data.tasks.sources import SELECTION
from tinydistill.errors import RunError
from tinydistill.training.classifier import Classifier, Scoring
from tinydistill.training.metrics import majority, task_metrics

Scores = dict[str, float | None]  # by metric; None where one isn't defined, as a correlation with a constant


def make_scoring(target: Target, splits: Iterable[str], *, monitor: str, metrics: Iterable[str] = ()) -> Scoring:
    """How a task is scored on validation splits; raises InputError where a metric doesn't fit what is predicted."""
    names = tuple(dict.fromkeys([monitor, *metrics]))
    task_metrics(names, target.outputs, target.regression)
    return Scoring(names, monitor, tuple(splits), target.outputs, target.regression)


def validate(trainer: pl.Trainer, module: Classifier, data: TaskDataModule) -> dict[str, Scores]:
    """Score every validation split, and say where a score isn't defined. Raises RunError as `check_answers` does."""
    seen: dict[str, float] = {}
    for found in trainer.validate(module, datamodule=data, verbose=False):
        seen |= found
    for split, (_, logits) in module.validated().items():
        check_answers("the model", split, logits)
    scoring = module.scoring
    scores = {split: {name: defined(seen[f"{split}/{name}"]) for name in scoring.metrics} for split in scoring.splits}
    tell_undefined(scores)
    return scores


def check_answers(model: str, split: str, logits_NC: Tensor) -> None:
    """Raises RunError where a model's answers to a split aren't all finite: there is no score of such."""
    if wrong := int((~logits_NC.isfinite()).any(-1).sum()):
        raise RunError(f"{wrong} of {len(logits_NC)} answers of {model} to {split} aren't finite numbers")


def tell_undefined(scores: Mapping[str, Scores]) -> None:
    """Say which scores aren't defined."""
    for split, of_split in scores.items():
        for name, value in of_split.items():
            if value is None:
                say(f"{split}: {name} isn't defined, as all predictions or all labels are the same")


def in_short(scoring: Scoring, scores: Mapping[str, Scores]) -> dict[str, Any]:
    """The score to report and what it is of, and the score that weights and rates are chosen by and what that is of."""
    return {
        "score": scores[scoring.reported_split][scoring.monitor],
        "monitor": scoring.reported,
        "selection_score": scores[scoring.splits[0]][scoring.monitor],
        "chosen_by": scoring.monitored,
    }


def merit(result: Mapping[str, Any]) -> float:
    """What a sweep goes by, of a stage's result: the score that chooses if there is one; nan where it isn't defined."""
    score = result.get("selection_score", result["score"])
    return math.nan if score is None else float(score)


def majority_scores(scoring: Scoring, splits: Mapping[str, Split]) -> dict[str, Scores]:
    """The scores of one who always says a split's commonest class; None for a regression, which has none."""
    if scoring.regression:
        return {name: dict.fromkeys(scoring.metrics) for name in splits}
    labels = {name: torch.from_numpy(split.labels) for name, split in splits.items()}
    return {name: score(scoring, majority(values), values) for name, values in labels.items()}


def score(scoring: Scoring, predictions: Tensor, labels: Tensor) -> Scores:
    """The scores of predictions [N] (class numbers, or numbers) against labels [N]."""
    computed = task_metrics(scoring.metrics, scoring.outputs, scoring.regression)(predictions, labels)
    return {name: defined(float(computed[name])) for name in scoring.metrics}


def rows_identity(splits: Mapping[str, Split]) -> str:
    """The same for the same rows in splits of the same names."""
    return hashlib.sha256(repr([(name, split.identity()) for name, split in splits.items()]).encode()).hexdigest()


def defined(value: float) -> float | None:
    """The value itself; None for what is no finite number."""
    return float(value) if math.isfinite(value) else None


def announce(name: str, data: TaskDataModule) -> None:
    """Say what rows there are, and how many of them are cut."""
    if SELECTION not in data.validation:
        say(f"no training rows are kept aside: the best epoch is chosen by {next(iter(data.validation))} too")
    splits = (data.train, *data.validation.values())
    rows = []
    for split in splits:
        cut = data.encoded(split).truncated
        rows.append(f"{split.name} {len(split):,}" + (f" ({cut:,} cut at {data.max_length} tokens)" if cut else ""))
    left = sum(split.skipped for split in splits)
    say(f"rows of {name}: {', '.join(rows)}" + (f"; {left:,} damaged ones left out" if left else "") + "; one reads:")
    first = data.encoded(data.train)
    text = data.tokenizer.decode(first.pieces[first.offsets[0] : first.offsets[1]])
    label = None if data.train.labels is None else data.train.labels[0]
    shown = "" if label is None else f"  -> {label if data.target.regression else data.target.labels[label]}"
    say(f"  {text if len(text) <= 160 else f'{text[:160]}…'}{shown}")


def show(title: str, scores: Mapping[str, Scores], commonest: Mapping[str, Scores]) -> None:
    """A table of scores beside the majority class's."""
    rows = [
        (f"{split} {metric}", value, commonest[split][metric])
        for split, of_split in scores.items()
        for metric, value in of_split.items()
    ]
    table(title, ("split, metric", "score", "majority class"), rows)
