"""Answers in the windows of long texts: against a loop over characters."""

import random
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from tokenizers import ByteLevelBPETokenizer
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from tests.conftest import WORDS
from tinydistill.data.tasks import spans
from tinydistill.data.tasks.batches import RowBatches
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.tasks.encoding import encode
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.ragged import Ragged
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.data.tasks.spans import Spans
from tinydistill.data.tasks.windows import ANSWERS

TARGET = Spans(unanswerable=True)
LENGTH = 16


def drawn(count: int = 60, seed: int = 0) -> Split:
    """Questions of one to three words about texts of one to forty, a third of them without an answer."""
    draw = random.Random(seed)
    texts, pairs, labels = [], [], []
    for _ in range(count):
        words = [draw.choice(WORDS) for _ in range(draw.randint(1, 40))]
        starts = [sum(len(word) + 1 for word in words[:number]) for number in range(len(words))]
        first = draw.randrange(len(words))
        last = min(first + draw.randrange(3), len(words) - 1)
        answer = starts[first], starts[last] + len(words[last])
        texts.append(" ".join(draw.choice(WORDS) for _ in range(draw.randint(1, 3))))
        pairs.append(" ".join(words))
        labels.append(np.array([answer] if draw.random() < 0.67 else [], np.int64).reshape(-1, 2))
    return Split("train", texts, pairs, Ragged.of(labels))


@pytest.fixture
def encoded(tokenizer, cache):
    return lambda split, length=LENGTH: encode(split, tokenizer, max_length=length, cache_dir=cache, windows=ANSWERS)


def windows_of(rows) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """(row, tokens, places) of every window."""
    return [
        (int(rows.owners[window]), rows.pieces[start:end], rows.places[start:end])
        for window, (start, end) in enumerate(pairwise(rows.offsets))
    ]


def test_long_texts_are_windows_that_overlap_with_the_question_in_each(encoded, tokenizer):
    split = drawn()
    rows = encoded(split)
    assert max(rows.lengths) == LENGTH
    seen: dict[int, set[int]] = {}
    for row, pieces, places in windows_of(rows):
        said = tokenizer.convert_ids_to_tokens(pieces.tolist())
        question, text = split.texts[row], split.pairs[row]
        assert said[: 2 + len(question.split())] == ["[CLS]", *question.split(), "[SEP]"]
        assert places[0].tolist() == [0, 0]
        assert [text[start:end] for start, end in places if end > start] == said[2 + len(question.split()) : -1]
        assert (places[1 : 2 + len(question.split())] == -1).all()
        assert (places[-1] == -1).all()
        seen.setdefault(row, set()).update(range(*places[places[:, 1] > 0][[0, -1], [0, 1]]))
    assert [len(seen[row]) for row in range(len(split))] == list(map(len, split.pairs))
    longest = int(np.argmax(np.bincount(rows.owners)))
    first, second, *_ = (places[places[:, 1] > 0].tolist() for row, _, places in windows_of(rows) if row == longest)
    assert first[-LENGTH // 4 :] == second[: LENGTH // 4]


def naive(split: Split, rows) -> list[list[int]]:
    """The first and the last token of the first answer, where a window has its characters all; else 0 and 0."""
    found = []
    for row, _, places in windows_of(rows):
        answers, tokens = split.labels.row(row), []
        if len(answers):
            start, end = answers[0].tolist()
            wanted = {place for place in range(start, end) if split.pairs[row][place] != " "}
            tokens = [t for t, (a, b) in enumerate(places.tolist()) if wanted & set(range(a, b))]
            covered = {place for t in tokens for place in range(*places[t].tolist())}
            tokens = tokens if wanted <= covered else []
        found.append([tokens[0], tokens[-1]] if tokens else [0, 0])
    return found


@pytest.mark.parametrize("at_once", [4096, 7])
def test_every_window_has_the_tokens_of_the_answer_that_it_shows(encoded, monkeypatch, at_once):
    monkeypatch.setattr(spans, "WINDOWS_AT_ONCE", at_once)
    for seed in range(3):
        split = drawn(seed=seed)
        rows = encoded(split)
        found = TARGET.in_batches(split.labels, rows)
        assert found.tolist() == naive(split, rows)
        assert 0.1 < (found > 0).any(1).mean() < 0.9


def test_batches_have_an_answer_a_window_and_say_which_tokens_may_be_one(encoded):
    split = drawn(8)
    rows = encoded(split)
    batch = RowBatches(rows, TARGET.in_batches(split.labels, rows), pad=0, max_length=LENGTH)[np.arange(len(rows))]
    assert batch["labels"].shape == (len(rows), 2)
    assert batch["valid"].shape == batch["input_ids"].shape
    for number, (row, _, places) in enumerate(windows_of(rows)):
        valid = batch["valid"][number].nonzero().flatten().tolist()
        assert valid == [0, *(token for token, (start, end) in enumerate(places) if end > start)], row


def test_a_question_that_leaves_no_room_is_cut_which_is_said(encoded, tokenizer, capsys):
    split = Split("train", ["cat " * 30, "dog"], ["the cat sat on the mat and then it ran", "a dog"])
    rows = encoded(split)
    assert "1 of the first texts of train are longer than 6 tokens, and are cut there" in capsys.readouterr().out
    _, pieces, _ = windows_of(rows)[0]
    assert tokenizer.convert_ids_to_tokens(pieces.tolist())[:8] == ["[CLS]", *["cat"] * 6, "[SEP]"]
    covered = {p for row, _, places in windows_of(rows) if row == 0 for a, b in places for p in range(a, b)}
    assert len(covered) == len(split.pairs[0]) - split.pairs[0].count(" ")
    for length in range(8, 14):  # whatever the length, the tokenizer gets no stride that it can't take
        assert max(encoded(split, length).lengths) <= length


def test_tokens_that_begin_with_a_blank_stand_for_their_word_alone(cache, tmp_path):
    made = ByteLevelBPETokenizer(trim_offsets=False)
    made.train_from_iterator(
        ["the cat sat on the mat"] * 9, special_tokens=["<s>", "</s>", "<pad>"], show_progress=False
    )
    made.save(str(tmp_path / "tokenizer.json"))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(tmp_path / "tokenizer.json"), cls_token="<s>", sep_token="</s>", pad_token="<pad>"
    )
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    text = "the cat  sat on the mat"
    split = Split("train", ["the mat"], [text], Ragged.of([np.array([[4, 7]])]))
    rows = encode(split, tokenizer, max_length=32, cache_dir=cache, windows=ANSWERS)
    said = [text[start:end] for start, end in rows.places if end > start]
    assert "".join(said) == text.replace(" ", "")
    assert all(word == word.strip() for word in said)
    first, last = TARGET.in_batches(split.labels, rows)[0]
    assert text[rows.places[first, 0] : rows.places[last, 1]] == "cat"


class Given(TaskSource):
    """Drawn questions."""

    target = TARGET

    def train(self) -> Split:
        return drawn()

    def validation(self) -> dict[str, Split]:
        return {"validation": drawn(9, seed=1)}


def test_rows_with_replaced_words_have_no_labels_as_answers_may_stand_elsewhere(tokenizer, cache, tmp_path):
    columns = {"text": ["cat", "dog"], "text_pair": ["a sad cat", "it ran"], "source_row": [0, 5]}
    pd.DataFrame(columns).to_parquet(tmp_path / "rows.parquet")
    options = {"max_length": LENGTH, "cache_dir": cache}
    data = TaskDataModule(Given(), tokenizer, **options, augmentation=tmp_path / "rows.parquet")
    assert data.train.labels is None
    assert data.train.pairs == columns["text_pair"]
    batch = next(iter(data.train_dataloader()))
    assert "labels" not in batch
    assert "valid" in batch
    assert "labels" in next(iter(TaskDataModule(Given(), tokenizer, **options).train_dataloader()))
