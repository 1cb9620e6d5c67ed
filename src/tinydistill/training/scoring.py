"""A task's scores, and how rows and scores are shown."""

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytorch_lightning as pl
from transformers import PretrainedConfig

from tinydistill.console import say, table
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.tasks.examples import Split, Target
from tinydistill.data.tasks.sources import SELECTION
from tinydistill.errors import RunError
from tinydistill.kinds import kind_of
from tinydistill.kinds.base import Logits
from tinydistill.training.classifier import Classifier, Scoring

Scores = dict[str, float | None]  # by metric; None where one isn't defined, as a correlation with a constant


def make_scoring(target: Target, splits: Mapping[str, Split], *, monitor: str, metrics: Iterable[str] = ()) -> Scoring:
    """How a task is scored on validation splits; raises InputError where a metric doesn't fit what is predicted."""
    kind, names = kind_of(target), tuple(dict.fromkeys([monitor, *metrics]))
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
    scores = {split: {name: defined(seen[f"{split}/{name}"]) for name in scoring.metrics} for split in scoring.splits}
    tell_undefined(scores)
    return scores


def configure(module: Classifier) -> dict[str, Any]:
    """Have the model's configuration say what its kind has chosen for it in its last validation, if it chooses.

    For a report, the same under the word `configuration`, or nothing.
    """
    for name, value in module.kind.configuration.items():
        setattr(module.model.config, name, value)
    return {"configuration": module.kind.configuration} if module.kind.configuration else {}


def as_answered(
    scored: Scoring, config: PretrainedConfig, logits: Callable[[Split], Logits], data: TaskDataModule
) -> Scoring:
    """How a model is scored that comes with its configuration.

    What its kind must choose for it, its configuration says, or it is chosen on the rows that are kept aside, if any.
    """
    kind, kept = scored.kind.read_from(config), scored.splits.get(SELECTION)
    if kind is None and kept is not None:
        kind = scored.kind.fitted_to(kept, logits(kept), data.encoded(kept))
    return replace(scored, kind=kind or scored.kind)


def check_answers(model: str, split: str, logits: Logits) -> None:
    """Raises RunError where a model's answers to a split aren't all finite: there is no score of such."""
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
    first = next(iter(scoring.splits))
    return {
        "score": scores[scoring.reported_split][scoring.monitor],
        "monitor": scoring.reported,
        "selection_score": scores[first][scoring.monitor],
        "chosen_by": scoring.monitored,
    }


def merit(result: Mapping[str, Any]) -> float:
    """What a sweep goes by, of a stage's result: the score that chooses if there is one; nan where it isn't defined."""
    score = result.get("selection_score", result["score"])
    return math.nan if score is None else float(score)


def majority_scores(scoring: Scoring) -> dict[str, Scores]:
    """The scores of one who always gives a split's commonest answer; None where there is none, as of numbers."""
    answers = {name: scoring.kind.commonest(split) for name, split in scoring.splits.items()}
    return {
        name: dict.fromkeys(scoring.metrics) if said is None else score(scoring, said, scoring.splits[name])
        for name, said in answers.items()
    }


def score_logits(scoring: Scoring, split: Split, logits: Logits, data: TaskDataModule) -> Scores:
    """The scores of a model with these logits on a labeled split."""
    return score(scoring, scoring.kind.answers(split, logits, data.encoded(split)), split)


def score(scoring: Scoring, answers: Any, split: Split) -> Scores:
    """The scores of answers to a labeled split."""
    found = scoring.kind.scores(scoring.metrics, answers, split)
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
        rows.append(f"{split.name} {len(split):,}" + (f" ({cut:,} cut at {data.max_length} tokens)" if cut else ""))
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
