"""Rows augmented as the stage and the benchmark do it."""

from copy import deepcopy

import pyarrow.parquet as pq
import pytest
import torch

from tests.conftest import sentences
from tests.trainers import quiet_trainer
from tinydistill.augmentation.augmenter import Augmenter
from tinydistill.augmentation.vectors import WordVectors
from tinydistill.data.tasks.examples import Split

TEXTS = [*sentences(6), "dogs sat"]


@pytest.fixture
def augment(tokenizer, masked_lm, tmp_path):
    """An augmenter all of whose questions are answered."""

    def make(**options) -> Augmenter:
        made = Augmenter(
            Split("train", TEXTS, None, None), tokenizer, cache_dir=tmp_path, identity="a", candidates=4, **options
        )
        if made.left:
            quiet_trainer().predict(made.finder(deepcopy(masked_lm)), return_predictions=False)
        return made

    return make


def refuse():
    pytest.fail("no embeddings are needed")


def test_rows_are_written_with_the_originals_among_them(augment, tmp_path):
    result = augment().write(tmp_path / "rows.parquet", refuse, count=3, probability=0.5, seed=1)
    texts = pq.read_table(tmp_path / "rows.parquet")["text"].to_pylist()
    assert len(texts) == result["rows"] > len(TEXTS) == result["source_rows"]
    assert set(TEXTS) <= set(texts)
    assert result["examples"][0][0] == [TEXTS[0], None]
    assert 0 < result["share_replaced"] < 1


def test_answers_are_found_again_and_those_of_another_model_are_not(augment, tokenizer, tmp_path):
    assert augment().left == 0
    rows = Split("train", TEXTS, None, None)
    settings = {"cache_dir": tmp_path, "candidates": 4}
    assert Augmenter(rows, tokenizer, identity="a", **settings).left == 0
    assert Augmenter(rows, tokenizer, identity="b", **settings).left == 1
    assert Augmenter(rows, tokenizer, identity="a", precision="bf16-mixed", **settings).left == 1


def candidates(replacements, word: str) -> list[str]:
    (choice,) = [c for c in [replacements("dogs sat")] if c.spans]
    found = {choice.text[a:b]: list(them) for (a, b), them in zip(choice.spans, choice.candidates, strict=True)}
    return found.get(word, [])


def test_words_of_several_tokens_come_from_where_they_are_told_to(augment, masked_lm):
    by_mask = candidates(augment().replacements(refuse), "dogs")
    by_embedding = candidates(augment(several_pieces="embeddings").replacements(lambda: masked_lm), "dogs")
    kept = candidates(augment(several_pieces="keep").replacements(refuse), "dogs")
    vectors = WordVectors({"dogs": 0, "cats": 1, "fish": 2}, torch.tensor([[1.0, 0], [0.9, 0.1], [0, 1]]))
    near = candidates(augment(vectors=vectors).replacements(refuse), "dogs")
    assert len(by_mask) == len(by_embedding) == 4
    assert kept == []
    assert near == ["cats", "fish"]
