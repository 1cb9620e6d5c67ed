"""Scores that are functions of what is counted row by row and summed: for all rows, and for any resample of them.

R: weightings of the same rows, K: what is counted.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Counts = Mapping[str, NDArray[np.float64]]
"""By name the sums over the rows of each weighting [R]."""


def f1(right: str, said: str, known: str) -> Callable[[Counts], NDArray[np.float64]]:
    """The harmonic mean of precision and recall, from the names of what is counted; 0 where nothing is there."""

    def score(sums: Counts) -> NDArray[np.float64]:
        there = sums[said] + sums[known]
        return np.where(there > 0, 2 * sums[right] / np.maximum(there, 1), 0.0)

    return score


def share(part: str, whole: str) -> Callable[[Counts], NDArray[np.float64]]:
    """One count over another."""
    return lambda sums: sums[part] / sums[whole]


def _of_all(right: str, said: str, known: str) -> Callable[[Counts], NDArray[np.float64]]:
    """F1 of all labels together: of what is counted under names that begin so."""

    def score(sums: Counts) -> NDArray[np.float64]:
        names = (right, said, known)
        totals = {
            name: np.sum([values for of, values in sums.items() if of.startswith(name)], axis=0) for name in names
        }
        return f1(*names)(totals)

    return score


def _of_each(right: str, said: str, known: str) -> Callable[[Counts], NDArray[np.float64]]:
    """The mean of every label's F1."""

    def score(sums: Counts) -> NDArray[np.float64]:
        labels = [name.removeprefix(right) for name in sums if name.startswith(right)]
        mean: NDArray[np.float64] = np.mean([f1(right + n, said + n, known + n)(sums) for n in labels], axis=0)
        return mean

    return score


_OF_LABELS = ("right: ", "said: ", "labeled: ")  # each before a label

SCORES: dict[str, Callable[[Counts], NDArray[np.float64]]] = {
    "entity_f1": f1("right entities", "said entities", "entities"),
    "token_accuracy": share("right words", "words"),
    "answer_f1": share("F1 of answers", "questions"),
    "exact_match": share("exact answers", "questions"),
    "ndcg_at_10": share("gain", "queries"),
    "cosine": share("cosine", "texts"),
    "micro_f1": _of_all(*_OF_LABELS),
    "macro_f1": _of_each(*_OF_LABELS),
    "subset_accuracy": share("exact rows", "rows"),
}
"""By the name of a metric; a kind of your own adds its own. F1 is 0 where nothing is to be found, as in seqeval."""


def scores_of(names: Sequence[str], counts: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    """The scores of rows with these counts [N] each."""
    sums = {name: values.sum(keepdims=True) for name, values in counts.items()}
    return {name: float(SCORES[name](sums)[0]) for name in names}
