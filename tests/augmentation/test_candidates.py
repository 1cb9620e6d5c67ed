"""The masked LM's answers, and who computes them."""

import os
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import sentences
from tests.stages.conftest import Cut
from tests.trainers import quiet_trainer
from tinydistill.artifacts import files
from tinydistill.augmentation.candidates import CandidateFinder, Shards, WholeWords
from tinydistill.augmentation.contexts import MaskedWords
from tinydistill.augmentation.words import eligible_words, read_stop_words

TEXTS = [*sentences(30), "cats", "The dogs sat", "", "cat " * 40]


@pytest.fixture(scope="module")
def questions(tokenizer) -> MaskedWords:
    words = {text: eligible_words(text, read_stop_words(None)) for text in TEXTS}
    return MaskedWords(words, tokenizer, max_length=48, askable=lambda word: True)


@pytest.fixture
def find(questions, masked_lm, tokenizer, tmp_path):
    """Runs the trainer; the answers."""

    def run(name: str = "a", *, batch_size: int = 3, cut_after: int | None = None, workers: int = 0) -> np.ndarray:
        shards = Shards(tmp_path / name, questions, 4)
        finder = CandidateFinder(
            deepcopy(masked_lm), WholeWords(tokenizer), shards, batch_size=batch_size, num_workers=workers
        )
        write = shards.write

        def until_cut(groups, answers):
            if cut_after is not None and len(list(shards.parts.glob("*.npz"))) == cut_after:
                raise Cut
            write(groups, answers)

        shards.write = until_cut
        quiet_trainer().predict(finder, return_predictions=False)
        return np.array(shards.collect())

    return run


def test_answers_are_those_of_one_forward_a_word(find, questions, masked_lm, tokenizer):
    vocabulary = tokenizer.get_vocab()
    allowed = sorted(word for word in vocabulary if word.isalpha() and len(word) > 1)
    answers, names = find(), WholeWords(tokenizer).words
    assert names == allowed
    for number, of_group in enumerate(questions.groups):
        group = questions.group(number)
        for row, question in enumerate(of_group):
            inputs = {name: tensor[row : row + 1] for name, tensor in group.inputs.items()}
            with torch.no_grad():
                logits = masked_lm(**inputs).logits[0, int(group.places[row])]
            own = tokenizer.convert_ids_to_tokens(int(group.own[row])) if group.own[row] >= 0 else None
            best = sorted((w for w in allowed if w != own), key=lambda word: -logits[vocabulary[word]])[:4]
            assert [names[i] for i in answers[question]] == best


def test_answers_are_the_same_bits_whatever_the_batch_size_and_the_threads(find, questions):
    assert len(questions.groups) > 3
    expected = find("a", batch_size=1)
    torch.set_num_threads(2)
    try:
        assert np.array_equal(find("b", batch_size=64, workers=2), expected)
    finally:
        torch.set_num_threads(1)


def test_what_was_cut_goes_on_from_its_last_shard_with_any_batch_size(find, questions, tmp_path):
    expected = find("whole")
    with pytest.raises(Cut):
        find("cut", batch_size=2, cut_after=2)
    left = Shards(tmp_path / "cut", questions, 4).left()
    assert len(left) == len(questions.groups) - 4
    assert np.array_equal(find("cut", batch_size=5), expected)
    assert Shards(tmp_path / "cut", questions, 4).left() == []
    assert sorted(file.name for file in (tmp_path / "cut").iterdir()) == ["candidates.npy", "checksums.json"]


def spoil(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)


@pytest.mark.parametrize("damaged", [spoil, lambda file: os.truncate(file, file.stat().st_size // 2)])
@pytest.mark.parametrize("whole", [True, False])
def test_damaged_answers_are_asked_for_again(whole, damaged, find, questions, tmp_path, capsys):
    expected = find("expected")
    if whole:
        find("cut")
        damaged(tmp_path / "cut" / "candidates.npy")
    else:
        with pytest.raises(Cut):
            find("cut", batch_size=2, cut_after=2)
        damaged(min((tmp_path / "cut.shards").iterdir()))
    files._crc.cache_clear()
    left = Shards(tmp_path / "cut", questions, 4).left()
    assert len(left) == len(questions.groups) - (0 if whole else 2)
    assert "the masked LM is asked again" in capsys.readouterr().out
    assert np.array_equal(find("cut"), expected)


def test_equal_scores_are_ordered_by_the_words(tokenizer):
    words = WholeWords(tokenizer)
    logits = torch.zeros(2, len(tokenizer))
    first, second = words.best(logits, torch.tensor([tokenizer.convert_tokens_to_ids("a"), -1]), len(words.words))
    assert second.tolist() == list(range(len(words.words)))
    assert first.tolist() == second.tolist()


def test_spellings_of_a_word_are_one_candidate():
    class Cased:
        all_special_tokens = ("<s>",)

        def get_vocab(self):
            return {"<s>": 0, "Ġcat": 1, "ĠCat": 2, "cat": 3, "Ġdog": 4, "s": 5, "Ġ4": 6, "Ġfish": 7, "ĠFISH": 8}

    words = WholeWords(Cased())
    assert words.words == ["cat", "dog", "fish"]
    logits = torch.tensor([[0.0, 3, 4, 9, 1, 9, 9, 2, 5]])
    assert [words.words[i] for i in words.best(logits, torch.tensor([-1]), 2)[0]] == ["fish", "cat"]
    for own in (1, 2, 3):  # a text's first word has no mark
        assert words.best(logits, torch.tensor([own]), 3)[0].tolist() == [2, 1, -1]
