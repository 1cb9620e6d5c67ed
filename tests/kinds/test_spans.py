"""Spans that answer questions: losses, the best span of all windows, and SQuAD's scores."""

import random
import re
import string
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F
from torchmetrics.text import SQuAD

from tests.conftest import bert
from tests.data.tasks.test_spans import LENGTH, drawn, windows_of
from tinydistill.data.tasks.encoding import encode
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.question_files import QuestionFiles
from tinydistill.data.tasks.ragged import Ragged
from tinydistill.data.tasks.spans import Spans
from tinydistill.data.tasks.windows import ANSWERS
from tinydistill.errors import InputError
from tinydistill.kinds import kind_of
from tinydistill.kinds.counted import SCORES
from tinydistill.kinds.spans import best_span
from tinydistill.kinds.squad import exact_and_f1
from tinydistill.models.heads import add_head
from tinydistill.models.observation import Observer
from tinydistill.report.bootstrap import bootstrap

KIND, ALWAYS = kind_of(Spans(unanswerable=True)), kind_of(Spans())

# scores


def naive_scores(answer: str, right: list[str]) -> tuple[float, float]:
    """As the definition says it, word by word."""

    def words(text: str) -> list[str]:
        kept = "".join(letter for letter in text.lower() if letter not in string.punctuation)
        return [word for word in re.split(r"\s+", re.sub(r"\b(a|an|the)\b", " ", kept)) if word]

    known = [one for one in right if words(one)] or [""]
    exact = max(float(words(answer) == words(one)) for one in known)
    f1s = []
    for one in known:
        said, there = Counter(words(answer)), Counter(words(one))
        shared = sum(min(said[word], there[word]) for word in said)
        if not said or not there:
            f1s.append(float(said == there))
        elif shared:
            precision, recall = shared / sum(said.values()), shared / sum(there.values())
            f1s.append(2 * precision * recall / (precision + recall))
        else:
            f1s.append(0.0)
    return exact, max(f1s)


PARTS = ["the", "The", "a", "an", "cat", "Cat,", "cat's", "dog", "sat", "-", "café", "3.5", "theater", " "]


def phrases(draw: random.Random, count: int) -> list[str]:
    return [" ".join(draw.choice(PARTS) for _ in range(draw.randint(0, 4))) for _ in range(count)]


def test_scores_are_squad_s_by_a_naive_implementation():
    draw = random.Random(0)
    for _ in range(3000):
        answer, right = phrases(draw, 1)[0], phrases(draw, draw.randint(0, 3))
        assert exact_and_f1(answer, right) == pytest.approx(naive_scores(answer, right)), (answer, right)


def test_scores_are_those_of_torchmetrics():
    draw = random.Random(1)
    answers = phrases(draw, 400)
    right = [[f"{one} word" for one in phrases(draw, draw.randint(1, 3))] for _ in answers]
    for row in range(0, 400, 3):
        answers[row] = draw.choice(right[row])
    metric = SQuAD()
    metric.update(
        [{"id": str(row), "prediction_text": said} for row, said in enumerate(answers)],
        [{"id": str(row), "answers": {"text": one, "answer_start": [0] * len(one)}} for row, one in enumerate(right)],
    )
    found = metric.compute()
    exact, f1 = np.array([exact_and_f1(said, one) for said, one in zip(answers, right, strict=True)]).mean(0)
    assert 100 * exact == pytest.approx(float(found["exact_match"]), abs=1e-3)
    assert 100 * f1 == pytest.approx(float(found["f1"]), abs=1e-3)


@pytest.mark.parametrize(
    ("answer", "right", "expected"),
    [
        ("", [], (1, 1)),
        ("cat", [], (0, 0)),
        ("", ["cat"], (0, 0)),
        ("The cat!", ["cat"], (1, 1)),
        ("red cat", ["cat", "dog"], (0, 2 / 3)),
        ("red cat", ["cat", "a red cat"], (1, 1)),
        ("the", ["a"], (1, 1)),
    ],
)
def test_articles_punctuation_and_case_do_not_count_and_the_nearest_answer_does(answer, right, expected):
    assert exact_and_f1(answer, right) == pytest.approx(expected)


def split_of(texts: list[str], answers: list[list[tuple[int, int]]]) -> Split:
    labels = Ragged.of(np.array(one, np.int64).reshape(-1, 2) for one in answers)
    return Split("validation", ["who"] * len(texts), texts, labels)


SMALL = split_of(["the cat sat", "a dog ran", "it was red"], [[(0, 7), (4, 7)], [(2, 5)], []])


def test_scores_are_means_over_questions_and_follow_from_the_counts_of_a_file():
    answers = np.array([[4, 7], [2, 9], [3, 6]])
    scores = KIND.scores(["answer_f1", "exact_match"], answers, SMALL)
    assert scores == pytest.approx({"answer_f1": (1 + 2 / 3 + 0) / 3, "exact_match": 1 / 3})
    columns = KIND.columns(SMALL, answers, np.zeros((9, 2), np.float32))
    sums = {name[2:-1]: np.array([values.sum()]) for name, values in columns.items()}
    assert {name: SCORES[name](sums)[0] for name in scores} == pytest.approx(scores)
    counts = np.column_stack(list(columns.values()))
    (resampled,) = bootstrap(
        "answer_f1", np.zeros(3), [{0: counts}], classes=0, counts=[n[2:-1] for n in columns], resamples=200
    )
    estimate = resampled.score()
    assert estimate.value == pytest.approx(scores["answer_f1"])
    assert estimate.low < estimate.value < estimate.high


def test_a_file_of_predictions_shows_texts():
    assert KIND.shown(SMALL.labels, SMALL) == ["the cat | cat", "dog", ""]
    assert KIND.shown(np.array([[4, 7], [-1, -1], [0, 2]]), SMALL) == ["cat", "", "it"]


def test_answers_become_rows_that_can_be_trained_on():
    rows = KIND.as_rows(SMALL, np.array([[4, 7], [-1, -1], [0, 2]]), np.zeros((9, 2), np.float32))
    assert rows["question"] == SMALL.texts
    read = QuestionFiles(pd.DataFrame(rows), validation=pd.DataFrame(rows)).train()
    assert read.pairs == SMALL.pairs
    assert [read.labels.row(row).tolist() for row in range(3)] == [[[4, 7]], [], [[0, 2]]]


def test_one_who_cannot_read_gives_the_whole_text_or_no_answer():
    none = split_of(["the cat sat"] * 3, [[], [], [(4, 7)]])
    assert KIND.shown(KIND.commonest(none), none) == ["", "", ""]
    some = split_of(["the cat sat"] * 3, [[(4, 7)], [], [(4, 7)]])
    assert KIND.shown(KIND.commonest(some), some) == ["the cat sat"] * 3
    assert "has answer_f1 0.333 on validation, no better" in str(KIND.no_better(some, np.full((3, 2), -1)))
    assert KIND.no_better(some, np.array([[4, 7]] * 3)) is None


def test_a_metric_of_another_kind_is_refused():
    with pytest.raises(InputError, match="accuracy is no metric of this task: this task predicts answers"):
        KIND.check_metrics(["accuracy"])


# losses


def test_losses_are_of_valid_tokens_alone():
    logits, teacher = torch.randn(2, 3, 5, 2, generator=torch.Generator().manual_seed(0)).unbind()
    valid = torch.tensor([[1, 0, 1, 1, 0], [1, 0, 0, 1, 1], [1, 0, 0, 0, 0]], dtype=torch.bool)
    labels = torch.tensor([[2, 3], [0, 0], [0, 0]])
    batch = {"labels": labels, "valid": valid, "teacher_logits": teacher}
    hard, soft = [], []
    for window in range(3):
        kept = valid[window].nonzero().flatten()
        for side in range(2):
            ours, theirs = logits[window, kept, side], teacher[window, kept, side]
            target = (kept == labels[window, side]).nonzero().flatten()
            hard.append(F.cross_entropy(ours[None], target))
            soft.append(-((theirs / 2).softmax(-1) @ (ours / 2).log_softmax(-1)))
    torch.testing.assert_close(KIND.loss(logits, batch), torch.stack(hard).mean())
    torch.testing.assert_close(KIND.soft_loss(logits, batch, temperature=2.0, scale=4.0), 4 * torch.stack(soft).mean())
    shifted = logits + torch.tensor([3.0, -2.0])
    torch.testing.assert_close(KIND.soft_loss(shifted, batch), KIND.soft_loss(logits, batch))
    assert torch.isfinite(KIND.soft_loss(1e4 * logits, batch, temperature=0.05))


# answers


def test_the_best_span_is_that_of_a_loop_over_all():
    random_ = np.random.default_rng(0)
    for _ in range(200):
        length, most = random_.integers(1, 12), int(random_.integers(1, 14))
        start, end = random_.normal(size=(2, length)).astype(np.float32)
        every = [(start[i] + end[j], i, j) for i in range(length) for j in range(i, min(i + most, length))]
        assert best_span(start, end, most) == max(every)


def naive_answers(split, rows, logits, *, unanswerable: bool, most: int) -> list[list[int]]:
    offset, best, none = 0, {}, {}
    for row, pieces, places in windows_of(rows):
        said = logits[offset : offset + len(pieces)]
        offset += len(pieces)
        none[row] = min(none.get(row, np.inf), said[0].sum())
        text = [token for token, (start, end) in enumerate(places) if end > start]
        for first in text:
            for last in text:
                if first <= last < first + most:
                    found = said[first, 0] + said[last, 1], [int(places[first, 0]), int(places[last, 1])]
                    best[row] = max(best.get(row, (-np.inf, [])), found)
    return [[-1, -1] if unanswerable and none[row] > best[row][0] else best[row][1] for row in range(len(split))]


@pytest.mark.parametrize("unanswerable", [True, False])
@pytest.mark.parametrize("most", [2, 30])
def test_answers_are_the_best_of_all_windows_by_a_naive_loop(tokenizer, tmp_path, unanswerable, most):
    split = drawn(40)
    rows = encode(split, tokenizer, max_length=LENGTH, cache_dir=tmp_path, windows=ANSWERS)
    logits = np.random.default_rng(0).normal(size=(len(rows.pieces), 2)).astype(np.float32)
    logits[rows.offsets[:-1]] += 1.5
    kind = kind_of(Spans(unanswerable=unanswerable, max_answer_length=most))
    answers = kind.answers(split, logits, rows)
    assert answers.tolist() == naive_answers(split, rows, logits, unanswerable=unanswerable, most=most)
    assert bool((answers < 0).any()) == unanswerable


def test_a_model_that_knows_where_answers_are_is_always_right(tokenizer, tmp_path):
    split = drawn(40)
    rows = encode(split, tokenizer, max_length=LENGTH, cache_dir=tmp_path, windows=ANSWERS)
    logits = np.zeros((len(rows.pieces), 2), np.float32)
    for window, tokens in enumerate(KIND.target.in_batches(split.labels, rows)):
        logits[rows.offsets[window] + tokens, [0, 1]] = 9
    assert KIND.scores(["exact_match"], KIND.answers(split, logits, rows), split) == {"exact_match": 1}


def test_two_models_agree_on_the_share_of_equal_spans():
    assert KIND.equal(np.array([[0, 3], [-1, -1]]), np.array([[0, 3], [2, 4]])).tolist() == [True, False]


def test_a_head_gives_start_and_end_logits_of_every_token():
    model = add_head(bert(2, 16), ALWAYS.head, seed=0).eval()
    ids = torch.randint(5, 20, (3, 7), generator=torch.Generator().manual_seed(0))
    output = model(input_ids=ids)
    logits = ALWAYS.logits(output)
    assert logits.shape == (3, 7, 2)
    assert torch.equal(logits[..., 0], output.start_logits)
    assert torch.equal(logits[..., 1], output.end_logits)
    assert type(model).__name__ == "BertForQuestionAnswering"
    assert model.config.id2label == {0: "start", 1: "end"}


def test_both_logits_are_seen_beside_the_layers_where_both_are_learned_at_once():
    model = add_head(bert(2, 16), ALWAYS.head, seed=0).eval()
    ids = torch.randint(5, 20, (3, 7), generator=torch.Generator().manual_seed(0))
    seen = Observer(model, [1], [2])({"input_ids": ids})
    torch.testing.assert_close(seen.logits, ALWAYS.logits(model(input_ids=ids)))
