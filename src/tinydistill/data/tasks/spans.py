"""A span of a text that answers a question about it.

N: rows, A: answers of a row, W: windows, P: tokens of all windows.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tinydistill.data.tasks.encoding import EncodedRows
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.ragged import Ragged
from tinydistill.data.tasks.table import Table
from tinydistill.data.tasks.targets import FIX_ROW, Target
from tinydistill.data.tasks.windows import ANSWERS, Windows
from tinydistill.errors import InputError

Span = tuple[int, int]  # the first of its characters, and the first behind it
NONE: Span = (-1, -1)  # of a question that the text doesn't answer
WINDOWS_AT_ONCE = 4096  # whose tokens are looked at together


@dataclass(frozen=True)
class Spans(Target):
    """The characters of a text, a split's `pairs`, that answer the question in its `texts`.

    A split's labels are `Ragged` int64 [A, 2]: the spans of all right answers to a question, none where the text has no
    answer. A span is of the first of its characters and the first behind it.

    Args:
        labels: what a model's two outputs are called.
        unanswerable: whether there are questions that their texts don't answer, as in SQuAD v2.
        max_answer_length: tokens in an answer at most.
    """

    labels: tuple[str, ...] = ("start", "end")
    unanswerable: bool = False
    max_answer_length: int = 30

    windows: ClassVar[Windows | None] = ANSWERS
    of_whole_texts: ClassVar[bool] = False
    by_pair: ClassVar[bool] = True

    def encode(self, table: Table, column: str) -> Ragged:
        """The spans of a table's labels. Raises InputError for a row without, with file and line."""
        assert table.labels is not None
        if (row := next((row for row, spans in enumerate(table.labels) if spans is None), None)) is not None:
            raise InputError(f"{table.where(row)}: there is no answer in column '{column}'", FIX_ROW)
        return Ragged.of(np.array(spans, np.int64).reshape(-1, 2) for spans in table.labels)

    def in_batches(self, labels: Any, rows: EncodedRows) -> NDArray[np.int64]:
        """The first answer's first and last token in every window [W, 2]; 0 and 0, [CLS], where it isn't all there."""
        some = np.diff(labels.offsets) > 0
        spans = np.full((len(labels), 2), NONE, np.int64)
        spans[some] = labels.values[labels.offsets[:-1][some]]
        starts = range(0, len(rows), WINDOWS_AT_ONCE)
        return np.concatenate(
            [_tokens_of(spans, rows, start, min(start + WINDOWS_AT_ONCE, len(rows))) for start in starts]
        )


def _tokens_of(spans: NDArray[np.int64], rows: EncodedRows, first: int, last: int) -> NDArray[np.int64]:
    """The places [w, 2] of the first and last tokens of every row's span [N, 2] in the windows `first` to `last`."""
    assert rows.places is not None
    offsets = rows.offsets[first:last]
    places = rows.places[rows.offsets[first] : rows.offsets[last]]
    owners, lengths = rows.owners[first:last], np.diff(rows.offsets[first : last + 1])
    starts, ends = places[:, 0], places[:, 1]
    own = np.repeat(spans[owners], lengths, axis=0)
    of_text = ends > starts
    of_answer = of_text & (starts < own[:, 1]) & (ends > own[:, 0])
    number = np.arange(len(places)) - np.repeat(offsets - offsets[0], lengths)
    beginnings, far = offsets - offsets[0], np.iinfo(np.int32).max
    found = np.stack(
        [
            np.minimum.reduceat(np.where(of_answer, number, far), beginnings),
            np.maximum.reduceat(np.where(of_answer, number, -1), beginnings),
        ],
        axis=1,
    )
    # What a window shows of its text: from the beginning in a row's first one, to the end in its last one.
    seen_from = np.minimum.reduceat(np.where(of_text, starts, far), beginnings)
    seen_to = np.maximum.reduceat(np.where(of_text, ends, -1), beginnings)
    every = rows.owners
    is_first = np.concatenate([[True], every[1:] != every[:-1]])[first:last]
    is_last = np.concatenate([every[1:] != every[:-1], [True]])[first:last]
    whole = (is_first | (seen_from <= spans[owners, 0])) & (is_last | (seen_to >= spans[owners, 1]))
    return np.where((whole & (found[:, 1] >= 0))[:, None], found, 0)


def answer_texts(labels: Ragged, split: Split) -> list[list[str]]:
    """The right answers to every question of a split; none where there is no answer."""
    assert split.pairs is not None
    return [[text[start:end] for start, end in labels.row(row)] for row, text in enumerate(split.pairs)]
