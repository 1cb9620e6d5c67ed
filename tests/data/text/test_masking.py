"""What is hidden from a masked language model, and what stands in its place."""

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import BPE, WordLevel
from transformers import PreTrainedTokenizerFast

from tinydistill.data.text.masking import IGNORED, MaskingVocabulary, Rules, generator, mask_pieces, vocabulary
from tinydistill.errors import InputError

MASK, SPECIAL, SIZE = 4, 5, 200  # the numbers below SPECIAL are special tokens; the odd ones above it begin words
RULES = Rules(share=0.15, masked=0.8, random=0.1)
SPECIAL_V = torch.arange(SIZE) < SPECIAL


def pieces(*, words: bool = False) -> MaskingVocabulary:
    begins = (torch.arange(SIZE) % 2 == 1) | SPECIAL_V
    return MaskingVocabulary(MASK, SPECIAL_V, begins if words else None)


def blocks(count: int = 400, length: int = 64) -> torch.Tensor:
    ids = torch.randint(SPECIAL, SIZE, (count, length), generator=torch.Generator().manual_seed(0))
    ids[:, 0], ids[:, -1], ids[:, length // 2] = 2, 3, 3
    return ids


@pytest.mark.parametrize("words", [False, True])
def test_shares_are_as_asked_for(words):
    ids = blocks()
    read, labels = mask_pieces(ids, pieces(words=words), RULES, generator(0))
    asked = labels != IGNORED
    assert asked[~SPECIAL_V[ids]].float().mean() == pytest.approx(0.15, abs=0.01)
    assert (read == MASK)[asked].float().mean() == pytest.approx(0.8, abs=0.02)
    assert ((read != MASK) & (read != ids))[asked].float().mean() == pytest.approx(0.1, abs=0.02)
    assert (read == ids)[asked].float().mean() == pytest.approx(0.1, abs=0.02)


def test_labels_are_the_pieces_and_the_rest_is_untouched():
    ids = blocks()
    read, labels = mask_pieces(ids, pieces(), RULES, generator(0))
    asked = labels != IGNORED
    assert torch.equal(labels[asked], ids[asked])
    assert torch.equal(read[~asked], ids[~asked])


@pytest.mark.parametrize("words", [False, True])
def test_special_tokens_are_never_asked_for_nor_put_in(words):
    ids = blocks()
    read, labels = mask_pieces(ids, pieces(words=words), Rules(0.9, masked=0, random=1), generator(0))
    assert (labels[SPECIAL_V[ids]] == IGNORED).all()
    assert torch.equal(SPECIAL_V[read], SPECIAL_V[ids])


def test_whole_words_are_asked_for_whole():
    ids = blocks(50)
    _, labels = mask_pieces(ids, pieces(words=True), RULES, generator(0))
    for row, asked in zip(ids.tolist(), (labels != IGNORED).tolist(), strict=True):
        for i in range(1, len(row)):
            if row[i] >= SPECIAL and row[i] % 2 == 0 and row[i - 1] >= SPECIAL:
                assert asked[i] == asked[i - 1]


def test_the_same_key_masks_the_same_and_another_key_other_pieces():
    ids = blocks(8)
    first, again, other = (mask_pieces(ids, pieces(), RULES, generator(*key)) for key in ((3, 7), (3, 7), (3, 8)))
    assert torch.equal(first.input_ids, again.input_ids)
    assert torch.equal(first.labels, again.labels)
    assert not torch.equal(first.labels, other.labels)


def test_even_the_smallest_batch_is_asked_for_something():
    ids = torch.tensor([[2, 50, 3]])
    for seed in range(20):
        _, labels = mask_pieces(ids, pieces(), RULES, generator(seed))
        assert labels.tolist() == [[IGNORED, 50, IGNORED]]


def test_word_pieces_tell_where_words_begin(tokenizer):
    known = vocabulary(tokenizer, 40, whole_words=True, called="teacher.path=x")
    assert known.begins is not None
    assert known.special[[0, 1, 2, 3, 4]].all()
    assert known.special[len(tokenizer) :].all()  # numbers that the model has and the tokenizer hasn't


@pytest.mark.parametrize("mark", ["Ġ", "▁"])
def test_marked_pieces_begin_words_and_punctuation_stands_alone(mark):
    words = {"<mask>": 0, "<s>": 1, f"{mark}play": 2, "ing": 3, ",": 4, f"{mark}(": 5, f"{mark}red": 6}
    backend = Tokenizer(BPE(vocab=words, merges=[]))
    known = vocabulary(
        PreTrainedTokenizerFast(tokenizer_object=backend, mask_token="<mask>", bos_token="<s>"),
        len(words),
        whole_words=True,
        called="teacher.path=x",
    )
    assert known.begins is not None
    assert known.begins[2:].tolist() == [True, False, True, True, True]


def test_words_that_do_not_show_are_an_error_that_names_the_override():
    backend = Tokenizer(WordLevel({"<mask>": 0, "red": 1, "fish": 2}, unk_token="<mask>"))
    known = PreTrainedTokenizerFast(tokenizer_object=backend, mask_token="<mask>")
    assert vocabulary(known, 3, whole_words=False, called="teacher.path=x").begins is None
    with pytest.raises(InputError, match="don't show where words begin: mask single tokens: set whole_words to false"):
        vocabulary(known, 3, whole_words=True, called="teacher.path=x")


def test_a_tokenizer_without_a_mask_is_an_error():
    backend = Tokenizer(WordLevel({"red": 0, "fish": 1}, unk_token="red"))
    with pytest.raises(InputError, match="teacher.path=x: the tokenizer has no mask token"):
        vocabulary(PreTrainedTokenizerFast(tokenizer_object=backend), 2, whole_words=False, called="teacher.path=x")
