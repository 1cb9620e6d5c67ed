"""Which answers are alike, row by row, and how sure a model is of them."""

import numpy as np
import pytest

from tests.conftest import WORDS
from tests.kinds.test_tags import drawn
from tinydistill.data.tasks.encoding import encode
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.ragged import Ragged
from tinydistill.data.tasks.several_labels import SeveralLabels
from tinydistill.data.tasks.spans import Spans
from tinydistill.data.tasks.tags import Tags
from tinydistill.data.tasks.targets import Target
from tinydistill.data.tasks.windows import ANSWERS
from tinydistill.data.tasks.windows import WORDS as BY_WORD
from tinydistill.kinds import kind_of
from tinydistill.kinds.several_labels import MultiLabelClassification
from tinydistill.kinds.spans import spans

TAGS = kind_of(Tags(("O", "B-X", "I-X")))


def test_the_classes_of_rows_are_decisions():
    kind = kind_of(Target(("a", "b")))
    split = Split("rows", ["x", "y", "z"], labels=np.array([0, 1, 1]))
    logits = np.array([[2, 1], [0, 3], [4, 0]], np.float32)
    answers = kind.answers(split, logits, None)
    assert kind.alike(answers, np.array([0, 0, 0]), split).tolist() == [True, False, True]
    assert kind.right(answers, split).tolist() == [True, True, False]
    assert kind.given(answers).tolist() == [[True, False], [False, True], [True, False]]
    decisions = kind.decisions(split, logits, None)
    assert decisions.rows.tolist() == [0, 1, 2]
    assert decisions.labels.tolist() == [0, 1, 1]


def test_a_row_of_tags_is_alike_where_all_of_its_words_are():
    split = Split("rows", ["a b c", "d", "e f"])
    ours = Ragged.of([np.array([0, 1, 2]), np.array([0]), np.array([1, 0])])
    theirs = Ragged.of([np.array([0, 1, 2]), np.array([2]), np.array([1, 2])])
    assert TAGS.alike(ours, theirs, split).tolist() == [True, False, False]
    assert TAGS.given(theirs).tolist() == [[True, True, True], [False, False, True], [False, True, True]]


def test_the_words_of_rows_in_windows_are_decisions(tokenizer, tmp_path):
    lengths = [3, 40, 2]
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(WORDS, length)) for length in lengths]
    split = Split("rows", [*texts, "cat \u200b dog"], labels=drawn([*lengths, 3], 0, 3))
    rows = encode(split, tokenizer, max_length=12, cache_dir=tmp_path, windows=BY_WORD)
    assert len(rows) > len(split)
    logits = random.normal(size=(len(rows.pieces), 3)).astype(np.float32)
    decisions = TAGS.decisions(split, logits, rows)
    assert decisions.rows.tolist() == np.repeat([0, 1, 2, 3], [3, 40, 2, 3]).tolist()
    assert decisions.labels.tolist() == split.labels.values.tolist()
    assert decisions.logits.argmax(-1).tolist() == TAGS.answers(split, logits, rows).values.tolist()
    assert decisions.logits[46].tolist() == [0, 0, 0]  # a word that the tokenizer leaves out


def test_labels_are_surest_far_from_their_thresholds():
    target = SeveralLabels(("a", "b"))
    split = Split("rows", ["x", "y", "z"], labels=np.array([[0, 1], [1, 1], [0, 0]], np.float32))
    odds = np.array([[2.0, -3.0], [0.0, 5.0], [-4.0, -6.0]], np.float32)
    sure = MultiLabelClassification(target).confidences(split, odds)
    assert sure == pytest.approx(1 / (1 + np.exp([-2.0, 0.0, -4.0])))
    low = MultiLabelClassification(target, (1 / (1 + np.exp(4.0)), 0.5))  # a label from a probability of 0.018 on
    assert low.confidences(split, odds) == pytest.approx(1 / (1 + np.exp([-3.0, -4.0, 0.0])))
    answers = low.answers(split, odds)
    assert low.alike(answers, answers[[0, 2, 2]], split).tolist() == [True, False, True]
    assert low.right(answers, split).tolist() == [False, True, False]


def test_answers_to_questions_are_alike_by_their_words():
    kind = kind_of(Spans(unanswerable=True))
    text = "The cat sat. A cat ran"
    labels = Ragged.of([np.array([[4, 7]]), np.zeros((0, 2), np.int64), np.array([[0, 7], [8, 11]])])
    split = Split("rows", ["who"] * 3, [text] * 3, labels=labels)
    ours, theirs = np.array([[0, 7], [-1, -1], [8, 11]]), np.array([[13, 18], [4, 7], [8, 12]])
    assert kind.alike(ours, theirs, split).tolist() == [True, False, True]
    assert kind.right(ours, split).tolist() == [True, True, True]
    assert kind.right(theirs, split).tolist() == [True, False, True]


@pytest.mark.parametrize("unanswerable", [False, True])
def test_the_confidence_of_an_answer_is_its_share_of_all_spans_of_all_windows(tokenizer, tmp_path, unanswerable):
    kind = kind_of(Spans(unanswerable=unanswerable, max_answer_length=3))
    random = np.random.default_rng(1)
    texts = [" ".join(random.choice(WORDS, length)) for length in (4, 30)]
    split = Split("rows", ["the cat", "a dog"], texts)
    rows = encode(split, tokenizer, max_length=16, cache_dir=tmp_path, windows=ANSWERS)
    assert len(rows) > 2
    logits = random.normal(size=(len(rows.pieces), 2)).astype(np.float32)
    scores, none = ([], []), ([], [])
    for window, row in enumerate(rows.owners):
        first, last = rows.offsets[window : window + 2]
        none[row].append(float(logits[first].sum()))
        inside = [place for place in range(first, last) if rows.places[place, 1] > rows.places[place, 0]]
        scores[row].extend(
            float(logits[start, 0] + logits[end, 1]) for start in inside for end in inside if start <= end < start + 3
        )
    known = [[*scores[row], *([min(none[row])] if unanswerable else [])] for row in range(2)]
    expected = [np.exp(max(of_row)) / np.exp(of_row).sum() for of_row in known]
    assert kind.confidences(split, logits, rows) == pytest.approx(expected, rel=1e-5)


def test_spans_are_all_pairs_of_a_start_and_an_end_that_is_not_before_it():
    start, end = np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0, 30.0])
    assert spans(start, end, 2).tolist() == [[11, 21], [22, 32], [33, -np.inf]]


def test_embeddings_are_never_alike():
    from tinydistill.data.tasks.embeddings import Embedding

    assert not kind_of(Embedding()).comparable
    assert all(kind_of(target).comparable for target in (Target(), Target(("a", "b")), Spans(), TAGS.target))
