"""Parts of the rows that are looked at by themselves: a mean hides where a student differs from its teacher.

N: rows.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinydistill.certification.threshold import Flags

MOST_VALUES = 20  # of a column: those with the most rows
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Slice:
    """Some of the rows [N]: `name` within its `group`."""

    group: str
    name: str
    rows: Flags


def by_label(group: str, given_NC: Flags | None, labels: Sequence[str]) -> list[Slice]:
    """A slice for the rows that are given a label, for each of them, those without rows among them."""
    return [] if given_NC is None else [Slice(group, label, given_NC[:, n]) for n, label in enumerate(labels)]


def by_length(lengths_N: NDArray[np.int64]) -> list[Slice]:
    """The quarters of the rows by their tokens; fewer where many rows are of one length."""
    ends = np.unique(np.quantile(lengths_N, [0.25, 0.5, 0.75, 1], method="lower"))
    starts = [lengths_N.min(), *(ends[:-1] + 1)]
    return [
        Slice("length", f"{start} to {end} tokens" if start < end else f"{end} tokens", within)
        for start, end in zip(starts, ends, strict=True)
        if (within := (lengths_N >= start) & (lengths_N <= end)).any()
    ]


def by_column(name: str, values_N: Sequence[str]) -> list[Slice]:
    """A slice for each of a column's commonest values, and one for all others."""
    values, counts = np.unique(np.asarray(values_N, str), return_counts=True)
    common = values[np.argsort(-counts, kind="stable")[:MOST_VALUES]]
    rows = np.asarray(values_N, str)
    found = [Slice(name, str(value) or "(empty)", rows == value) for value in common]
    others = ~np.isin(rows, common)
    return found + ([Slice(name, "(other values)", others)] if others.any() else [])


def by_known_words(texts_N: Iterable[str], training: Iterable[str]) -> list[Slice]:
    """Rows that consist of words that training rows have, and rows with words that none of them has."""
    known = {word for text in training for word in words(text)}
    unknown = np.array([not known.issuperset(words(text)) for text in texts_N])
    return [Slice("words", "all known", ~unknown), Slice("words", "some unknown", unknown)]


def words(text: str) -> list[str]:
    """Runs of letters and digits, upper case made lower."""
    return _WORD.findall(text.casefold())
