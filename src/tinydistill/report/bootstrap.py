"""Bootstrap intervals: of a score, and of the difference of two models on the same rows.

Rows are drawn again, the same ones for all models and seeds, so that models are compared in pairs (Efron, Tibshirani,
An Introduction to the Bootstrap, 1993; Koehn, Statistical Significance Tests for Machine Translation Evaluation, 2004).
Where models were trained with several seeds these are drawn too: first seeds, then rows. Intervals are percentiles.

N: rows, S: seeds of a model, R: resamples, U: rows that differ in their label or a prediction.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydistill.kinds.counted import SCORES
from tinydistill.kinds.weighted_metrics import Floats, weighted_scores

RESAMPLES = 2000
LEVEL = 0.95
_AT_ONCE = 2_000_000  # weights of rows that are in memory at a time


@dataclass(frozen=True)
class Estimate:
    """A number of all rows and the ends of its interval: None where too few resamples define it."""

    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def half(self) -> float | None:
        """Half the interval's width."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


@dataclass(frozen=True)
class Resampled:
    """A model's scores by seed: on all rows [1, S] and, below, on each resample, whose seeds count by `drawn`."""

    seeds: tuple[int, ...]
    scores: Floats  # [1 + R, S]
    drawn: Floats  # [1 + R, S]: shares of the seeds, 1 / S each in the first line

    def score(self) -> Estimate:
        """The mean score over the seeds."""
        return _estimate(_mean(self.scores, self.drawn))

    def minus(self, other: "Resampled") -> Estimate:
        """How much better the model is than the other on the same rows."""
        return _estimate(_mean(self.scores, self.drawn) - _mean(other.scores, other.drawn))

    def share_of(self, other: "Resampled") -> Estimate:
        """Its score in percent of the other's: the mean over the seeds where both have the same, else of the means."""
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.seeds == other.seeds:
                found = _mean(self.scores / other.scores, self.drawn)
            else:
                found = _mean(self.scores, self.drawn) / _mean(other.scores, other.drawn)
        return _estimate(100 * found)


def bootstrap(
    metric: str,
    labels_N: NDArray[Any],
    models: Sequence[Mapping[int, NDArray[Any]]],
    *,
    classes: int,
    counts: Sequence[str] = (),
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Resampled]:
    """The scores of models on resamples of rows and seeds. The same arguments give the same numbers.

    Models with the same seeds are taken to belong together seed by seed, as a student and its teacher: the same seeds
    are drawn for them. With one seed only rows are drawn. Few seeds say little of all there could be: the interval is
    about √((S − 1) / S) as wide as it should be for what the seeds contribute.

    Args:
        metric: as metrics.task_metrics names them.
        labels_N: class numbers, or real numbers where `classes` is 0.
        models: by seed what each predicts [N], or what is counted of that [N, K].
        classes: how many there are.
        counts: what is counted, for a metric that is made from it.
        resamples: R.
        seed: of the draws.
    """
    random = np.random.default_rng(seed)
    shares = {}
    for seeds in dict.fromkeys(map(tuple, models)):
        count = len(seeds)
        drawn = random.multinomial(count, np.full(count, 1 / count), size=resamples) / count
        shares[seeds] = np.vstack([np.full(count, 1 / count), drawn])
    said = [predictions for model in models for predictions in model.values()]
    columns = said if counts else [labels_N, *said]
    table_UM, counts_U = np.unique(np.column_stack(columns).astype(np.float64), axis=0, return_counts=True)
    found: list[Floats] = []
    for weights_RU in _weights(random, counts_U, resamples):
        if counts:
            sums_RK = np.split(weights_RU @ table_UM, len(said), axis=1)
            scored = [SCORES[metric](dict(zip(counts, of.T, strict=True))) for of in sums_RK]
        else:
            scored = [weighted_scores(metric, one, table_UM[:, 0], weights_RU, classes) for one in table_UM.T[1:]]
        found.append(np.column_stack(scored))
    scores, results, start = np.vstack(found), [], 0
    for model in models:
        results.append(Resampled(tuple(model), scores[:, start : start + len(model)], shares[tuple(model)]))
        start += len(model)
    return results


def _weights(random: np.random.Generator, counts_U: NDArray[np.int64], resamples: int) -> Iterator[NDArray[np.int64]]:
    """How often each kind of row is there: in all rows, then in resamples of as many, a part of these at a time."""
    yield counts_U[None]
    rows, size = int(counts_U.sum()), max(1, _AT_ONCE // len(counts_U))
    for start in range(0, resamples, size):
        yield random.multinomial(rows, counts_U / rows, size=min(size, resamples - start))


def _mean(values: Floats, drawn: Floats) -> Floats:
    """Over the seeds that were drawn [1 + R]."""
    mean: Floats = np.where(drawn > 0, values * drawn, 0).sum(1)
    return mean


def _estimate(values: Floats) -> Estimate:
    """Resamples in which the value isn't defined are left out; no interval where these are half of them or more."""
    first, rest = values[0], values[1:][np.isfinite(values[1:])]
    value = float(first) if np.isfinite(first) else None
    if value is None or 2 * len(rest) <= len(values) - 1:
        return Estimate(value)
    low, high = np.quantile(rest, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value, float(low), float(high))
