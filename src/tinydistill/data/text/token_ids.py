"""Texts to token numbers: by a tokenizer as it is, or word by word, each different word once."""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise

import numpy as np
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

from tinydistill.data.text.packing import TokenIds
from tinydistill.errors import InputError

Encode = Callable[[Sequence[str]], list[TokenIds]]
"""The tokens of each text, without special tokens."""

Delimited = tuple[Tokenizer, int, int]  # with what begins and what ends a block
OTHER_TOKENIZER = "choose another {prepare_tokenizer.tokenizer}"

KEPT = 1 << 18  # different words in memory, some 50 MB
_LONGEST = 32  # characters of a word worth keeping
_SEPARATOR = "."  # stands between words on their way through the tokenizer
_ALONE = f"{_SEPARATOR},()\"'-:;"  # a token of its own wherever it stands; with it split off, words recur more often
_WORDS_AT_ONCE = 1000
_THREADS = "TOKENIZERS_PARALLELISM"


@contextlib.contextmanager
def tokenizer_threads() -> Iterator[None]:
    """Threads within, none after: a process that is forked later would hang in them. A user's own choice stands."""
    chosen = os.environ.get(_THREADS)
    os.environ[_THREADS] = chosen or "true"
    try:
        yield
    finally:
        os.environ[_THREADS] = chosen or "false"


def one_tokenizer_thread() -> None:
    """In a process that is one of several: none of its own beside the others."""
    os.environ[_THREADS] = "false"


def prepare_tokenizer(tokenizer: PreTrainedTokenizerBase) -> Delimited:
    """A copy of the fast tokenizer that neither cuts nor pads and takes "[SEP]" in a text for text; [CLS] and [SEP]."""
    if not hasattr(tokenizer, "backend_tokenizer"):
        raise InputError(f"{type(tokenizer).__name__} is no fast tokenizer", OTHER_TOKENIZER)
    begin = tokenizer.bos_token_id if tokenizer.cls_token_id is None else tokenizer.cls_token_id
    end = tokenizer.eos_token_id if tokenizer.sep_token_id is None else tokenizer.sep_token_id
    if begin is None or end is None:
        raise InputError(f"{type(tokenizer).__name__} has no [CLS] and [SEP], nor others", OTHER_TOKENIZER)
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = True
    return backend, begin, end


def token_dtype(backend: Tokenizer) -> type:
    """The smallest of two kinds of integers that holds all of a tokenizer's numbers."""
    return np.uint16 if max(backend.get_vocab().values()) < 1 << 16 else np.int32


def encoder(backend: Tokenizer, dtype: type) -> Encode:
    """The fastest way to a tokenizer's tokens that gives exactly these; `backend` neither cuts nor pads."""
    return WordEncoder(backend, dtype) if splits_at_blanks(backend) else whole_texts(backend, dtype)


def whole_texts(backend: Tokenizer, dtype: type) -> Encode:
    """Every text through the tokenizer, in the tokenizer's threads."""

    def encode(texts: Sequence[str]) -> list[TokenIds]:
        return [np.array(found.ids, dtype) for found in backend.encode_batch_fast(texts, add_special_tokens=False)]

    return encode


def splits_at_blanks(backend: Tokenizer) -> bool:
    """Whether a text's tokens are those of its words one after the other: BERT's rules, and no tokens added to them.

    BERT's normalization looks at single characters, its pre-tokenizer splits at blanks and around punctuation.
    """
    rules = json.loads(backend.to_str())
    kinds = [(rules[part] or {}).get("type") for part in ("normalizer", "pre_tokenizer", "model")]
    special = backend.encode_special_tokens and all(token["special"] for token in rules["added_tokens"])
    separator = _SEPARATOR in rules["model"].get("vocab", ())
    return kinds == ["BertNormalizer", "BertPreTokenizer", "WordPiece"] and special and separator


class WordEncoder:
    """Remembers the tokens of words, so that only words which are new go through the tokenizer."""

    def __init__(self, backend: Tokenizer, dtype: type):
        self._backend, self._dtype = backend, np.dtype(dtype)
        self._separator = backend.token_to_id(_SEPARATOR)
        self._begin()

    def _begin(self) -> None:
        self._known: dict[str, bytes] = {"": b"", _SEPARATOR: np.array([self._separator], self._dtype).tobytes()}

    def __call__(self, texts: Sequence[str]) -> list[TokenIds]:
        """The tokens of each text."""
        if len(self._known) > KEPT:
            self._begin()
        words = [_words(text) for text in texts]
        ends = list(accumulate(map(len, words), initial=0))
        flat = [word for of_text in words for word in of_text]
        found = list(map(self._known.get, flat))
        if None in found:
            missing = [number for number, pieces in enumerate(found) if pieces is None]
            tokens = self._ask(list(dict.fromkeys(flat[number] for number in missing)))
            for number in missing:
                found[number] = tokens[flat[number]]
            self._known.update((word, pieces) for word, pieces in tokens.items() if len(word) <= _LONGEST)
        return [np.frombuffer(b"".join(found[a:b]), self._dtype) for a, b in pairwise(ends)]  # type: ignore[arg-type]

    def _ask(self, words: list[str]) -> dict[str, bytes]:
        """Words that don't hold the separator go through the tokenizer many at a time, with separators between them."""
        parts = [words[first : first + _WORDS_AT_ONCE] for first in range(0, len(words), _WORDS_AT_ONCE)]
        texts = [f" {_SEPARATOR} ".join([*part, ""]) for part in parts]
        tokens = whole_texts(self._backend, self._dtype.type)(texts)
        size, pieces = self._dtype.itemsize, {}
        for part, ids in zip(parts, tokens, strict=True):
            ends = np.flatnonzero(ids == self._separator).tolist()
            data = ids.tobytes()
            for word, first, end in zip(part, [-1, *ends[:-1]], ends, strict=True):
                pieces[word] = data[(first + 1) * size : end * size]
        return pieces


def _words(text: str) -> list[str]:
    for mark in _ALONE:
        text = text.replace(mark, f" {mark} ")
    return text.replace("\n", " ").split(" ")
