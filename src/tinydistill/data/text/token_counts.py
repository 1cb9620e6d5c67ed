"""How often text has every token of a vocabulary of V: counted once per corpus and tokenizer, and kept on disk."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from tinydistill.artifacts.files import built_once, digest
from tinydistill.data.text.packing import TokenIds
from tinydistill.data.text.sources import Corpus
from tinydistill.data.text.token_ids import prepare_tokenizer, token_dtype
from tinydistill.data.text.tokenized import tokenize

FORMAT = 1  # part of the cache key: raise it when the same text gives other counts
AT_ONCE = 1 << 22  # tokens that are counted together
DOCUMENTS_AT_ONCE = 4096


def corpus_counts(corpus: Corpus, tokenizer: PreTrainedTokenizerBase, *, cache_dir: Path) -> NDArray[np.int64]:
    """How often a corpus has every token, [V], as it is cut into tokens without special ones."""
    backend, *_ = prepare_tokenizer(tokenizer)
    size = 1 + max(backend.get_vocab().values())

    def build(directory: Path) -> None:
        tokens = (document.tokens for document in tokenize(corpus, backend, token_dtype(backend), directory))
        np.save(directory / "counts.npy", token_counts(_joined(tokens), size))

    entry = built_once(cache_dir / f"counts-{digest([FORMAT, corpus.identity(), backend.to_str()])}", build)
    counts: NDArray[np.int64] = np.load(entry / "counts.npy")
    return counts


def token_counts(arrays: Iterable[TokenIds], size: int) -> NDArray[np.int64]:
    """How often each of `size` tokens is in arrays of tokens, [size]; these may be mapped into memory."""
    counts = np.zeros(size, np.int64)
    for array in arrays:
        for start in range(0, len(array), AT_ONCE):
            counts += np.bincount(array[start : start + AT_ONCE], minlength=size)
    return counts


def _joined(arrays: Iterable[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    """Fewer and longer arrays: each is counted over the whole vocabulary."""
    rest = iter(arrays)
    while some := list(islice(rest, DOCUMENTS_AT_ONCE)):
        yield np.concatenate(some)
