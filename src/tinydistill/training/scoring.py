"""A task's scores, and how rows and scores are shown."""

import hashlib
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pytorch_lightning as pl

from tinydistill.console import say, table
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.sources import SELECTION
from tinydistill.data.tasks.targets import Target
from tinydistill.errors import RunError
from tinydistill.kinds import kind_of
from tinydistill.kinds.base import Logits
from tinydistill.training.classifier import Classifier, Scoring

Scores = dict[str, float | None]  # by metric; None where one isn't defined, as a correlation with a constant


def make_scoring(
    target: Target,
    splits: Mapping[str, Split],
    *,
    monitor: str,
    metrics: Iterable[str] = (),
    losses: Mapping[str, float] | None = None,
) -> Scoring:
    """How a task is scored on validation splits; raises InputError where a metric doesn't fit what is predicted.

    `losses` are weights of the losses against the teacher, for a kind that has several.
    """
    kind, names = kind_of(target), tuple(dict.fromkeys([monitor, *metrics]))
    kind = kind if losses is None else kind.with_losses(losses)
    kind.check_metrics(names)
    return Scoring(kind, names, monitor, splits)


def validate(trainer: pl.Trainer, module: Classifier, data: TaskDataModule) -> dict[str, Scores]:
    """Score every validation split, and say where a score isn't defined. Raises RunError as `check_answers` does."""
    seen: dict[str, float] = {}
    for found in trainer.validate(module, datamodule=data, verbose=False):
        seen |= found
    for split, (_, logits) in module.validated().items():
        check_answers("the model", split, logits)
    scoring = module.scoring
    scores = {
        name: {metric: defined(seen[f"{name}/{metric}"]) for metric in scoring.names(split)}
        for name, split in scoring.splits.items()
    }
    tell_undefined(scores)
    return scores


def configure(module: Classifier) -> dict[str, Any]:
    """Have the model's configuration say what its kind has chosen for it in its last validation, if it chooses.

    For a report, the same under the word `configuration`, or nothing.
    """
    for name, value in module.kind.configuration.items():
        setattr(module.model.config, name, value)
    return {"configuration": module.kind.configuration} if module.kind.configuration else {}


def check_answers(model: str, split: str, logits: Logits) -> None:
    """Raises RunError where a model's answers to a split aren't all finite: they have no score."""
    if wrong := int((~np.isfinite(logits)).any(-1).sum()):
        raise RunError(f"{wrong} of {len(logits)} answers of {model} to {split} aren't finite numbers")


def tell_undefined(scores: Mapping[str, Scores]) -> None:
    """Say which scores aren't defined."""
    for split, of_split in scores.items():
        for name, value in of_split.items():
            if value is None:
                say(f"{split}: {name} isn't defined, as all predictions or all labels are the same")


def in_short(scoring: Scoring, scores: Mapping[str, Scores]) -> dict[str, Any]:
    """The score to report and what it is of, and the score that weights and rates are chosen by and what that is of."""
    first, reported = next(iter(scoring.splits)), scoring.reported_split
    return {
        "score": scores[reported][scoring.counting(reported)],
        "monitor": scoring.reported,
        "selection_score": scores[first][scoring.counting(first)],
        "chosen_by": scoring.monitored,
    }


def merit(result: Mapping[str, Any]) -> float:
    """What a sweep optimizes: a result's selection score, or else its score; nan where that isn't defined."""
    score = result.get("selection_score", result["score"])
    return math.nan if score is None else float(score)


def majority_scores(scoring: Scoring) -> dict[str, Scores]:
    """The scores of always giving a split's most common answer; None where there is none, as for numbers."""

    def of_split(split: Split) -> Scores:
        said = scoring.kind.commonest(split)
        return dict.fromkeys(scoring.names(split)) if said is None else score(scoring, said, split)

    return {name: of_split(split) for name, split in scoring.splits.items()}


def score_logits(scoring: Scoring, split: Split, logits: Logits, data: TaskDataModule) -> Scores:
    """The scores of a model with these logits on a labeled split."""
    return score(scoring, scoring.kind.answers(split, logits, data.encoded(split)), split)


def score(scoring: Scoring, answers: Any, split: Split) -> Scores:
    """The scores of answers to a labeled split."""
    found = scoring.kind.scores(scoring.names(split), answers, split)
    return {name: defined(value) for name, value in found.items()}


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
        where = "in windows of" if data.target.windows else "cut at"
        rows.append(f"{split.name} {len(split):,}" + (f" ({cut:,} {where} {data.max_length} tokens)" if cut else ""))
    left = sum(split.skipped for split in splits)
    say(f"rows of {name}: {', '.join(rows)}" + (f"; {left:,} damaged ones left out" if left else "") + "; one reads:")
    first = data.encoded(data.train)
    text = data.tokenizer.decode(first.pieces[first.offsets[0] : first.offsets[1]])
    shown = ""
    if data.train.labels is not None:
        one = data.train.take(np.arange(1))
        shown = f"  -> {kind_of(data.target).shown(one.labels, one)[0]}"
    say(f"  {text if len(text) <= 160 else f'{text[:160]}…'}{shown}")


def show(title: str, scores: Mapping[str, Scores], commonest: Mapping[str, Scores]) -> None:
    """A table of scores beside the majority class's."""
    rows = [
        (f"{split} {metric}", value, commonest[split][metric])
        for split, of_split in scores.items()
        for metric, value in of_split.items()
    ]
    table(title, ("split, metric", "score", "majority class"), rows)
