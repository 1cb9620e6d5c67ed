"""A vocabulary that is cut: the same pieces of all words whose pieces are kept, smaller ones of the others."""

import string

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertTokenizerFast,
    ElectraConfig,
    ElectraModel,
    PreTrainedTokenizerFast,
)

from tests.conftest import SPECIAL, bert
from tests.embedders import embedder
from tinydistill.errors import InputError
from tinydistill.models.heads import Head, add_head
from tinydistill.models.loading import load_tokenizer, save_model
from tinydistill.models.vocabulary import (
    check_word_pieces,
    cut_model,
    cut_tokenizer,
    kept_tokens,
    tokens_in,
)

LETTERS = [*string.ascii_lowercase, *string.digits, *".,!-'", "é", "中"]
PIECES = "the ther there he her ere in ing tion station stat un able unable play player".split()
VOCABULARY = [*SPECIAL, *LETTERS, *PIECES, *(f"##{piece}" for piece in (*LETTERS, *PIECES))]
LONG = [number for number, piece in enumerate(VOCABULARY) if len(piece.removeprefix("##")) > 1]
WORDS = st.one_of(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join),
    st.text(st.sampled_from([*LETTERS, "Z", "É", "☃"]), min_size=1, max_size=12),
)
TEXTS = st.lists(st.one_of(WORDS, st.sampled_from(["[SEP]", "[MASK]", "\t", "\u00a0"])), max_size=8).map(" ".join)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> BertTokenizerFast:
    file = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    file.write_text("\n".join(VOCABULARY) + "\n")
    return BertTokenizerFast(str(file), do_lower_case=True, strip_accents=False)


@settings(max_examples=150, deadline=None)
@given(text=TEXTS, pair=TEXTS, used=st.sets(st.sampled_from(LONG)))
def test_a_text_has_the_same_ids_up_to_renumbering_where_all_its_pieces_are_kept(whole, text, pair, used):
    ids = whole(text, pair)["input_ids"]
    kept = kept_tokens(whole, used | set(ids))
    cut = cut_tokenizer(whole, kept)
    assert [kept[number] for number in cut(text, pair)["input_ids"]] == ids
    assert cut(text, pair)["token_type_ids"] == whole(text, pair)["token_type_ids"]


@settings(max_examples=150, deadline=None)
@example(words=["therere"], used={111, 112})
@given(words=st.lists(WORDS, max_size=8), used=st.sets(st.sampled_from(LONG)))
def test_words_with_pieces_that_are_not_kept_fall_back_to_smaller_ones_and_no_other_word_changes(whole, words, used):
    kept = kept_tokens(whole, used)
    cut = cut_tokenizer(whole, kept)
    for word in words:
        before, after = whole.tokenize(word), cut.tokenize(word)
        if set(whole.convert_tokens_to_ids(before)) <= set(kept):
            assert after == before
        elif "[UNK]" not in before:
            assert "".join(piece.removeprefix("##") for piece in after) == "".join(
                piece.removeprefix("##") for piece in before
            )
            one, other = next(pair for pair in zip(before, after, strict=False) if pair[0] != pair[1])
            assert len(other) < len(one)  # not that there are more: t ##her ##ere for there ##r ##e


def test_all_special_tokens_and_single_characters_are_kept(whole):
    kept = [VOCABULARY[number] for number in kept_tokens(whole, [])]
    assert kept == [*SPECIAL, *LETTERS, *(f"##{letter}" for letter in LETTERS)]


def test_transformers_tokenizers_and_readers_of_vocab_txt_load_what_is_written(whole, tmp_path):
    kept = kept_tokens(whole, whole("unable player")["input_ids"])
    cut = cut_tokenizer(whole, kept)
    model = cut_model(add_head(bert(vocab_size=len(VOCABULARY)), Head(("no", "yes")), seed=0), kept)
    save_model(model, cut, tmp_path, max_length=12)
    text = "The unable player's station!"
    ids = cut(text)["input_ids"]
    assert AutoTokenizer.from_pretrained(tmp_path)(text)["input_ids"] == ids
    assert Tokenizer.from_file(str(tmp_path / "tokenizer.json")).encode(text).ids == ids
    lines = (tmp_path / "vocab.txt").read_text().splitlines()
    assert [lines[number] for number in ids] == cut.convert_ids_to_tokens(ids)
    assert lines == [VOCABULARY[number] for number in kept]
    older = BertTokenizerFast(str(tmp_path / "vocab.txt"), do_lower_case=True, strip_accents=False)
    assert older(text)["input_ids"] == ids
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert loaded.config.vocab_size == len(kept) == loaded.get_input_embeddings().num_embeddings
    assert load_tokenizer(str(tmp_path)).model_max_length == 12


def test_a_model_computes_of_kept_tokens_what_it_did_before(whole):
    texts = ["unable to play", "the station"]
    kept = kept_tokens(whole, [number for ids in whole(texts)["input_ids"] for number in ids])
    cut = cut_tokenizer(whole, kept)
    electra = ElectraModel(
        ElectraConfig(vocab_size=len(VOCABULARY), embedding_size=8, hidden_size=16, num_hidden_layers=2,
                      num_attention_heads=2, intermediate_size=32)
    ).eval()  # fmt: skip
    classifier = add_head(bert(vocab_size=len(VOCABULARY)), Head(("no", "yes")), seed=0).eval()
    for model in (bert(vocab_size=len(VOCABULARY)), electra, classifier):
        before = next(iter(model(**whole(texts, padding=True, return_tensors="pt")).values()))
        count = sum(p.numel() for p in model.parameters())
        cut_model(model, kept)
        after = next(iter(model(**cut(texts, padding=True, return_tensors="pt")).values()))
        assert torch.equal(before, after)
        width = model.base_model.get_input_embeddings().embedding_dim
        assert count - sum(p.numel() for p in model.parameters()) == width * (len(VOCABULARY) - len(kept))


def test_an_embedder_is_cut_too(tokenizer):
    model, kept = embedder(), kept_tokens(tokenizer, tokenizer("the cat")["input_ids"])
    before = model(**tokenizer("the cat", return_tensors="pt")).sentence_embedding
    after = cut_model(model, kept)(**cut_tokenizer(tokenizer, kept)("the cat", return_tensors="pt")).sentence_embedding
    assert torch.equal(before, after)


def test_tokens_that_another_vocabulary_lacks_have_no_numbers_there(whole, tokenizer):
    cut = cut_tokenizer(whole, kept := kept_tokens(whole, [LONG[0]]))
    assert tokens_in(cut, whole) == kept
    assert tokens_in(whole, cut) is None
    assert tokens_in(tokenizer, whole) is None


def test_a_tokenizer_that_is_not_wordpiece_is_refused():
    from tokenizers.models import BPE

    other = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(BPE()))
    with pytest.raises(InputError, match="teacher=x can't be cut: its tokenizer is BPE, not WordPiece"):
        check_word_pieces(other, "teacher=x")
