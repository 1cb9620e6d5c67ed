"""Which of several learning rates is the best."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tinydistill.console import table
from tinydistill.training.classifier import Scoring
from tinydistill.training.scoring import in_short

Trial = dict[str, Any]  # learning_rate, what `in_short` has, steps, best_step, seconds

_SHARE = 10  # of the steps, a trial on many rows makes one of so many


def shortened(epochs: int, batches: int) -> tuple[int, float]:
    """Epochs, and the share of an epoch's batches in each, that are a tenth of so many epochs; a batch at least."""
    passes = math.ceil(epochs / _SHARE)
    return passes, max(epochs / _SHARE / passes, 1 / batches)


def lengths(rates: int, *, short: bool) -> float:
    """How many times as long as one training it takes to try so many rates, with the training at the best one."""
    if rates == 1:
        return 1.0
    return 1 + rates / _SHARE if short else float(rates)


def trial(learning_rate: float, report: Mapping[str, Any], scoring: Scoring) -> Trial:
    """What is kept of a trial, of its report by `fit_task`."""
    kept = {name: report[name] for name in ("steps", "best_step", "seconds")}
    return {"learning_rate": learning_rate, **in_short(scoring, report["scores"]), **kept}


def best(trials: Sequence[Trial]) -> int:
    """The number of the trial with the best selection score, the first of equals; one without a score is never best."""
    scores = [-math.inf if one["selection_score"] is None else one["selection_score"] for one in trials]
    return scores.index(max(scores))


def show(trials: Sequence[Trial]) -> None:
    """A table of the trials, the scores that choose before those that are reported."""
    first = trials[0]
    measured = {"selection_score": first["chosen_by"], "score": first["monitor"]}
    if first["chosen_by"] == first["monitor"]:
        measured.pop("selection_score")
    rows = [
        (f"{one['learning_rate']:g}", *(one[name] for name in measured), one["steps"], one["best_step"])
        for one in trials
    ]
    table("learning rates that were tried", ("rate", *measured.values(), "steps", "best step"), rows)
