"""A span of a text that answers a question: extractive question answering.

B: windows in a batch, L: tokens in the longest, N: rows of a split, P: tokens of all windows, T: tokens of a window's
text, C: 2, the outputs for the start and the end of an answer.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from tinydistill.data.tasks.encoding import EncodedRows
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.ragged import Ragged
from tinydistill.data.tasks.spans import NONE, Spans, answer_texts
from tinydistill.kinds import counted, span_programs, squad
from tinydistill.kinds.base import Batch, Logits, TaskKind, of_targets
from tinydistill.kinds.functional import soft_cross_entropy
from tinydistill.models.heads import Head

NOWHERE = -1e9  # the logit of a token that no answer can start or end at: finite, so that 0 times it is 0
SEVERAL = " | "  # stands between right answers


@of_targets(Spans)
class QuestionAnswering(TaskKind):
    """The span of a text that answers a question. Answers are int64 [N, 2] characters of it, -1 and -1 for none.

    Logits are those of an answer's start and end, of every token. The first token, [CLS], stands for no answer.
    """

    target: Spans
    per_token = True
    compared_within_window = True
    pipeline = "question-answering"
    predicts = "answers"
    alike_with = "answers of the same words, but for case, punctuation and articles"
    metrics = ("answer_f1", "exact_match")
    output_names = ("start_logits", "end_logits")
    described = "the span of the text that answers the question"

    @property
    def head(self) -> Head:
        """A question answering's."""
        return Head(self.target.labels, "AutoModelForQuestionAnswering")

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """The mean of the cross-entropies with the right start and end, over a window's text and [CLS]."""
        return F.cross_entropy(_by_output(logits, batch), batch["labels"].flatten())

    def soft_loss(self, logits: Tensor, batch: Batch, *, temperature: float = 1.0, scale: float = 1.0) -> Tensor:
        """The mean of the soft cross-entropies (eq. 10) of start and end, over a window's text and [CLS]."""
        theirs = _by_output(batch["teacher_logits"], batch)
        return scale * soft_cross_entropy(_by_output(logits, batch), theirs, temperature)

    def answers(self, split: Split, logits: Logits, rows: EncodedRows | None) -> NDArray[np.int64]:
        """The best span of a row's windows, unless there may be no answer and [CLS] is better in every window."""
        answers = np.full((len(split), 2), NONE, np.int64)
        best, none = np.full(len(split), -np.inf), np.full(len(split), np.inf)
        for window in _windows(logits, rows):
            none[window.row] = min(none[window.row], window.none)
            if len(window.places):
                score, start, end = best_span(window.starts, window.ends, self.target.max_answer_length)
                if score > best[window.row]:
                    best[window.row] = score
                    answers[window.row] = window.places[start, 0], window.places[end, 1]
        if self.target.unanswerable:
            answers[none > best] = NONE
        return answers

    def alike(self, ours: NDArray[np.int64], theirs: NDArray[np.int64], split: Split) -> NDArray[np.bool_]:
        """Whether the texts have the same words, as an exact match counts them."""
        said, known = ([squad.words_of(text) for text in _texts(answers, split)] for answers in (ours, theirs))
        return np.array([one == other for one, other in zip(said, known, strict=True)], bool)

    def right(self, answers: NDArray[np.int64], split: Split) -> NDArray[np.bool_]:
        """Whether it matches one of the right answers exactly."""
        exact: NDArray[np.bool_] = self._counts(answers, split)["exact answers"] > 0
        return exact

    def confidences(self, split: Split, logits: Logits, rows: EncodedRows | None) -> NDArray[np.float64]:
        """The best answer's share of all that a row's windows can give: exp of its score over the sum of these.

        A score is the sum of a start's and an end's logit. Where there may be no answer, that is one of them.
        """
        best, every, none = (np.full(len(split), fill) for fill in (-np.inf, -np.inf, np.inf))
        for window in _windows(logits, rows):
            row = window.row
            none[row] = min(none[row], window.none)
            if len(window.places):
                scores = spans(window.starts.astype(np.float64), window.ends, self.target.max_answer_length)
                best[row] = max(best[row], scores.max())
                every[row] = np.logaddexp(every[row], np.logaddexp.reduce(scores, axis=None))
        if self.target.unanswerable:
            best, every = np.maximum(best, none), np.logaddexp(every, none)
        return np.exp(np.where(np.isfinite(every), best - every, -np.inf))

    def scores(self, names: Sequence[str], answers: NDArray[np.int64], split: Split) -> dict[str, float]:
        """SQuAD's, from 0 to 1."""
        return counted.scores_of(names, self._counts(answers, split))

    def commonest(self, split: Split) -> NDArray[np.int64]:
        """The whole text, or no answer at all: which of them has the better F1."""
        assert split.pairs is not None
        whole = np.array([(0, len(text)) for text in split.pairs], np.int64)
        nothing = np.full_like(whole, NONE)
        return max((whole, nothing), key=lambda said: self._counts(said, split)["F1 of answers"].sum())

    def shown(self, labels: Ragged | NDArray[np.int64], split: Split) -> Sequence[str]:
        """Their texts, of several right ones each once; empty for none."""
        if isinstance(labels, Ragged):
            return [SEVERAL.join(dict.fromkeys(texts)) for texts in answer_texts(labels, split)]
        return _texts(labels, split)

    def columns(self, split: Split, answers: NDArray[np.int64], logits: Logits) -> dict[str, Any]:
        """What is counted of every labeled row."""
        if split.labels is None:
            return {}
        return {f"n({name})": values for name, values in self._counts(answers, split).items()}

    def as_rows(self, split: Split, answers: NDArray[np.int64], logits: Logits) -> dict[str, Sequence[Any]]:
        """Questions and contexts, with answers as the hub's data sets have them."""
        assert split.pairs is not None
        said = zip(_texts(answers, split), answers[:, 0].tolist(), strict=True)
        given = [{"text": [text] if text else [], "answer_start": [start] if text else []} for text, start in said]
        return {"question": split.texts, "context": split.pairs, "answers": given}

    def predicted(self, split: Split, answers: NDArray[np.int64], logits: Logits) -> dict[str, Sequence[Any]]:
        """The answers' texts, and their first characters and the first ones behind them; -1 where there is none."""
        places = {name: answers[:, column].tolist() for column, name in enumerate(("start", "end"))}
        return {"prediction": _texts(answers, split), **places}

    def reads(self, max_length: int, *, pair: bool) -> str:
        """A question and a text."""
        return f"a question and a text, in windows of {max_length} tokens,"

    def in_transformers(self, max_length: int, *, pair: bool) -> str:
        """The model itself: transformers 5 has no pipeline for this task."""
        return span_programs.in_transformers(max_length, self.read_best)

    def encoding(self, max_length: int, *, pair: bool) -> str:
        """The windows of a question and a text."""
        return span_programs.encoding(max_length)

    @property
    def read_out(self) -> str:  # type: ignore[override]
        """The best span of all windows."""
        return span_programs.outputs(self.output_names) + self.read_best

    @property
    def read_best(self) -> str:
        """The end of a program, from the windows' `rows`, `start` and `end` logits to what is printed."""
        return span_programs.read_best(self.target.max_answer_length, unanswerable=self.target.unanswerable)

    def _counts(self, answers: NDArray[np.int64], split: Split) -> dict[str, NDArray[np.float64]]:
        assert isinstance(split.labels, Ragged)
        right = answer_texts(split.labels, split)
        found = [squad.exact_and_f1(said, known) for said, known in zip(_texts(answers, split), right, strict=True)]
        exact, f1 = np.array(found, np.float64).T
        return {"exact answers": exact, "F1 of answers": f1, "questions": np.ones(len(split))}


def best_span(start_T: NDArray[np.floating], end_T: NDArray[np.floating], most: int) -> tuple[float, int, int]:
    """The largest sum of a start's and an end's logit, and the tokens: the end not before the start, at most so many.

    Of equal ones the first.
    """
    ends = _ends(end_T, most)
    sums = start_T + ends.max(1)
    start = int(sums.argmax())
    return float(sums[start]), start, start + int(ends[start].argmax())


def spans(start_T: NDArray[np.floating], end_T: NDArray[np.floating], most: int) -> NDArray[np.floating]:
    """Those sums of all spans [T, most], by the start and how much further the end is; −∞ where that is no token."""
    found: NDArray[np.floating] = start_T[:, None] + _ends(end_T, most)
    return found


def _ends(end_T: NDArray[np.floating], most: int) -> NDArray[np.floating]:
    """The logits of the ends that belong to every start [T, most]."""
    padded = np.concatenate([end_T, np.full(most - 1, -np.inf, end_T.dtype)])
    return sliding_window_view(padded, most)


class _Window(NamedTuple):
    """A window of a row: the score of no answer, logits and places of the tokens that an answer can begin or end at."""

    row: int
    none: float
    starts: NDArray[np.floating]  # [T]
    ends: NDArray[np.floating]  # [T]
    places: NDArray[np.int32]  # [T, 2]


def _windows(logits: Logits, rows: EncodedRows | None) -> Iterator[_Window]:
    assert rows is not None
    assert rows.places is not None
    for window, (first, last) in enumerate(pairwise(rows.offsets)):
        places, said = np.asarray(rows.places[first:last]), logits[first:last]
        text = places[:, 1] > places[:, 0]
        starts, ends = said[text].T
        yield _Window(int(rows.owners[window]), float(said[0].sum()), starts, ends, places[text])


def _by_output(logits_BLC: Tensor, batch: Batch) -> Tensor:
    """The logits [B · C, L] of every window's starts and ends, NOWHERE for tokens that aren't valid."""
    masked = logits_BLC.float().masked_fill(~batch["valid"][..., None], NOWHERE)
    return masked.transpose(1, 2).flatten(0, 1)


def _texts(answers: NDArray[np.int64], split: Split) -> list[str]:
    assert split.pairs is not None
    return [text[start:end] if end > start else "" for text, (start, end) in zip(split.pairs, answers, strict=True)]
