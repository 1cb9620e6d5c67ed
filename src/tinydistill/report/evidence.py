"""How sure scores and their differences are: intervals from the predictions by row that artifacts keep."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tinydistill.export.markdown import cell
from tinydistill.kinds.counted import SCORES
from tinydistill.kinds.metrics import OF_CLASSES, OF_NUMBERS
from tinydistill.report.bootstrap import LEVEL, RESAMPLES, Estimate, Resampled, bootstrap
from tinydistill.report.run import Run
from tinydistill.report.shipped import BASELINE, STUDENT, TEACHER, UNTRAINED, Model
from tinydistill.training.prediction_files import Predictions, prediction_file, read_predictions

BySeed = Mapping[int, Predictions]
SIGNED, PERCENT = "{:+.3f}", "{:.1f}%"  # how differences and shares are written
DEVIATION = "±: the sample standard deviation over the seeds."


@dataclass(frozen=True)
class Difference:
    """How much better a model's score is than another's on the same `rows`, and how much of it that is in percent.

    `seeds` are those that the model was trained with; `against` says what the other is.
    """

    model: Model
    against: str
    seeds: int
    rows: int
    score: Estimate
    share: Estimate


def with_interval(model: Model, metric: str) -> Model:
    """The model with the interval of its score, which `metric` names as SPLIT/METRIC, where it is known by row."""
    predicted = seen(model, metric)
    found = _resampled(metric, predicted) if predicted is not None else None
    return model if found is None else replace(model, interval=found[0].score())


def differences(models: Sequence[Model], metric: str) -> list[Difference]:
    """Every student, distilled and before training, against its own teacher, and against the best undistilled one."""
    baseline = next((model for model in models if model.kind == BASELINE), None)
    found = []
    for model in models:
        if model.kind not in (STUDENT, UNTRAINED):
            continue
        others = {TEACHER: predictions(model.members or model.taught, metric, of="teacher")}
        if baseline is not None:
            others[BASELINE] = predictions(baseline.members, metric)
        for against, other in others.items():
            if (difference := between(model, against, metric, other)) is not None:
                found.append(difference)
    return found


def between(model: Model, against: str, metric: str, other: BySeed | None) -> Difference | None:
    """A model against another's predictions; None where either's are unknown, or of other rows."""
    ours = seen(model, metric)
    if ours is None or other is None or (found := _resampled(metric, ours, other)) is None:
        return None
    one, two = found
    rows = len(next(iter(ours.values())).rows)
    return Difference(model, against, len(ours), rows, one.minus(two), one.share_of(two))


def predictions(runs: Sequence[Run], metric: str, of: str = "") -> BySeed | None:
    """By seed what models, or `of` their teachers, predict of the split that is scored; None where one lacks it."""
    split = metric.rpartition("/")[0]
    found = {run.seed or 0: read_predictions(prediction_file(run.path, split, of)) for run in runs}
    known = {seed: one for seed, one in found.items() if one is not None}
    return known if known and len(known) == len(runs) else None


def interval(metric: str, found: Predictions) -> Estimate | None:
    """A model's score and its interval, rows resampled; None for a metric that isn't known here."""
    resampled = _resampled(metric, {0: found})
    return None if resampled is None else resampled[0].score()


def _resampled(metric: str, *models: BySeed) -> list[Resampled] | None:
    every = [one for model in models for one in model.values()]
    known = SCORES if every[0].names else (*OF_CLASSES, *OF_NUMBERS)
    if metric.rpartition("/")[2] not in known or not all(one.same_rows(every[0]) for one in every):
        return None
    said = [
        {seed: one.predictions if one.counts is None else one.counts for seed, one in model.items()} for model in models
    ]
    first, name = every[0], metric.rpartition("/")[2]
    return bootstrap(name, first.labels, said, classes=first.classes, counts=first.names)


def seen(model: Model, metric: str) -> BySeed | None:
    """What it predicts: a teacher as its students saw it, else its own; a student before training as it began."""
    kept = {TEACHER: "teacher", UNTRAINED: "start"}.get(model.kind)
    found = predictions(model.taught, metric, of=kept) if kept else None
    return found or predictions(model.members, metric)


def figures(score: Estimate, share: Estimate) -> list[str]:
    """Four cells of a table: a difference and its interval, a share and its interval."""
    return [cell(score.value, SIGNED), ends(score, SIGNED), cell(share.value, PERCENT), ends(share, PERCENT)]


def caption(seeds: Iterable[int], rows: int | None = None) -> str:
    """How intervals were made of so many seeds each; `rows`, where all are of as many."""
    least, most = min(counts := list(seeds)), max(counts)
    drawn = "rows and seeds resampled" if least > 1 else "rows resampled, and seeds where there are several"
    several = f"{least} to {most} seeds" if least < most else f"{most} seeds"
    of = "" if rows is None else f" of {rows:,} rows"
    said = f"{drawn}; {several}" if most > 1 else "rows resampled; one seed"
    return f"{LEVEL:.0%} intervals: bootstrap, {RESAMPLES:,} resamples{of}, models compared in pairs ({said})."


def ends(estimate: Estimate | None, form: str = "{:.3f}") -> str:
    """The ends of an interval; - where there is none."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return "-"
    return f"{form.format(estimate.low)} to {form.format(estimate.high)}"
