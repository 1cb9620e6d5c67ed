"""A tag for every word: its losses, its answers in windows, and its scores, which are seqeval's."""

import random
import warnings

import numpy as np
import pytest
import torch
from seqeval.metrics import accuracy_score, f1_score
from seqeval.scheme import IOB2, IOBES
from torch.nn import functional as F

from tests.conftest import WORDS
from tinydistill.data.tasks.encoding import encode
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.ragged import Ragged
from tinydistill.data.tasks.tags import IGNORED, Tags
from tinydistill.data.tasks.windows import WORDS as BY_WORD
from tinydistill.errors import InputError
from tinydistill.kinds import kind_of
from tinydistill.kinds.counted import SCORES

TAGS = Tags(("O", "B-X", "I-X", "B-Y", "I-Y"))
KIND = kind_of(TAGS)


def drawn(lengths: list[int], seed: int, names: int = 5) -> Ragged:
    random_ = np.random.default_rng(seed)
    return Ragged.of([random_.integers(0, names, length) for length in lengths])


def split_of(labels: Ragged) -> Split:
    return Split("validation", [" ".join(["cat"] * len(labels.row(row))) for row in range(len(labels))], labels=labels)


@pytest.mark.parametrize(
    ("target", "scheme"), [(TAGS, IOB2), (Tags(("O", "B-X", "I-X", "E-X", "S-X", "B-Y", "I-Y", "E-Y", "S-Y")), IOBES)]
)
def test_scores_are_those_of_seqeval(target, scheme):
    kind = kind_of(target)
    for seed in range(30):
        lengths = [random.Random(seed).randint(1, 12) for _ in range(10)]
        labels, answers = drawn(lengths, seed, len(target.labels)), drawn(lengths, 99 + seed, len(target.labels))
        answers.values[::3] = labels.values[::3]
        true, said = ([[target.labels[tag] for tag in of.row(row)] for row in range(10)] for of in (labels, answers))
        found = kind.scores(["entity_f1", "token_accuracy"], answers, split_of(labels))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert found["entity_f1"] == pytest.approx(f1_score(true, said, mode="strict", scheme=scheme))
        assert found["token_accuracy"] == pytest.approx(accuracy_score(true, said))


def test_the_counts_of_a_file_give_the_scores_of_all_rows():
    labels, answers = drawn([5, 1, 7], 0), drawn([5, 1, 7], 1)
    split = split_of(labels)
    columns = KIND.columns(split, answers, np.zeros((13, 5), np.float32))
    sums = {name[2:-1]: np.array([values.sum()]) for name, values in columns.items()}
    for name, score in KIND.scores(KIND.metrics, answers, split).items():
        assert SCORES[name](sums)[0] == pytest.approx(score)


def test_where_there_are_no_entities_words_alone_are_scored():
    kind = kind_of(Tags(("NOUN", "VERB")))
    assert kind.metrics == ("token_accuracy",)
    with pytest.raises(InputError, match="entity_f1 is no metric of this task: this task predicts tags"):
        kind.check_metrics(["entity_f1"])


def test_losses_are_means_over_words():
    logits, teacher = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0)).unbind()
    labels = torch.tensor([[IGNORED, 2, IGNORED, 1], [IGNORED, 0, 4, IGNORED], [IGNORED] * 4])
    valid = labels != IGNORED
    batch = {"labels": labels, "valid": valid, "teacher_logits": teacher}
    expected = sum(F.cross_entropy(logits[row, place], labels[row, place]) for row, place in valid.nonzero()) / 4
    torch.testing.assert_close(KIND.loss(logits, batch), expected)
    soft = [-(teacher[r, p] / 2).softmax(-1) @ (logits[r, p] / 2).log_softmax(-1) for r, p in valid.nonzero()]
    torch.testing.assert_close(KIND.soft_loss(logits, batch, temperature=2.0, scale=4.0), 4 * sum(soft) / 4)


def test_answers_of_windows_are_put_together_word_by_word(tokenizer, tmp_path):
    draw = random.Random(1)
    texts = [" ".join(draw.choice(WORDS) for _ in range(length)) for length in (3, 40, 10)]
    split = Split("validation", texts, labels=drawn([3, 40, 10], 0))
    rows = encode(split, tokenizer, max_length=12, cache_dir=tmp_path, windows=BY_WORD)
    logits = np.full((len(rows.pieces), 5), -1, np.float32)
    tags = TAGS.in_batches(split.labels, rows)
    places = np.flatnonzero(tags != IGNORED)
    logits[places, tags[places]] = 1
    answers = KIND.answers(split, logits, rows)
    assert np.array_equal(answers.values, split.labels.values)
    assert KIND.scores(["entity_f1"], answers, split)["entity_f1"] == 1


def test_a_word_without_a_token_has_the_first_tag(tokenizer, tmp_path):
    split = Split("validation", ["cat \u200b dog"], labels=Ragged.of([np.array([1, 1, 1])]))
    rows = encode(split, tokenizer, max_length=12, cache_dir=tmp_path, windows=BY_WORD)
    logits = np.tile(np.float32([0, 1, 0, 0, 0]), (len(rows.pieces), 1))
    assert KIND.answers(split, logits, rows).values.tolist() == [1, 0, 1]


def test_a_teacher_that_tags_nothing_is_no_better_than_none():
    labels = Ragged.of([np.array([0, 1, 2, 0])])
    split = split_of(labels)
    assert "has entity_f1 0.000 on validation, no better" in str(KIND.no_better(split, Ragged.of([np.zeros(4, int)])))
    assert KIND.no_better(split, labels) is None
