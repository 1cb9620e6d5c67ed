"""The rows of a split as tokens: tokenized once per content, kept on disk, mapped into memory.

N: rows, P: tokens of all rows.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

from tinydistill.artifacts.files import built_once, digest
from tinydistill.console import Meter
from tinydistill.data.tasks.examples import Split
from tinydistill.data.text.packing import TokenIds
from tinydistill.data.text.token_ids import prepare_tokenizer, tokenizer_threads

FORMAT = 1  # part of every cache key: raise it when the same text gives other pieces
ROWS_AT_ONCE = 4096  # that go through the tokenizer together, shared among its threads


class EncodedRows:
    """Rows of different lengths end to end in memory-mapped .npy files.

    `pieces` [P] are the tokens with their special tokens, `types` [P] the token types (None where the tokenizer
    makes none); row i is at offsets[i]:offsets[i + 1]. `truncated` counts the rows that were cut.
    """

    def __init__(self, directory: Path):
        self.directory = directory
        self.pieces: TokenIds = np.load(directory / "pieces.npy", mmap_mode="r")
        self.offsets: NDArray[np.int64] = np.load(directory / "offsets.npy")
        types = directory / "types.npy"
        self.types: NDArray[np.uint8] | None = np.load(types, mmap_mode="r") if types.exists() else None
        self.truncated = int(np.load(directory / "truncated.npy"))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __reduce__(self) -> tuple[type, tuple[Path]]:
        return EncodedRows, (self.directory,)  # for workers: the path, not the data

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of every row [N]."""
        return np.diff(self.offsets)


def encode(split: Split, tokenizer: PreTrainedTokenizerBase, *, max_length: int, cache_dir: str | Path) -> EncodedRows:
    """A split's rows as the tokenizer delimits single texts or pairs, of at most `max_length` tokens.

    Of a pair the longer text is cut first. The cache is keyed by the content of texts and tokenizer. Raises InputError
    where the tokenizer isn't a fast one or has no [CLS] and [SEP].
    """
    backend, *_ = prepare_tokenizer(tokenizer)
    backend.enable_truncation(max_length, strategy="longest_first")
    with_types = "token_type_ids" in tokenizer.model_input_names
    settings = [FORMAT, split.text_identity(), backend.to_str(), with_types]

    entry = Path(cache_dir) / f"task-{digest(settings)}"
    return EncodedRows(built_once(entry, lambda directory: _build(directory, split, backend, with_types)))


def _build(directory: Path, split: Split, backend: Tokenizer, with_types: bool) -> None:
    texts: list[Any] = split.texts if split.pairs is None else list(zip(split.texts, split.pairs, strict=True))
    dtype = np.uint16 if max(backend.get_vocab().values()) < 1 << 16 else np.int32
    pieces: list[TokenIds] = [np.zeros(0, dtype)]
    types: list[NDArray[Any]] = [np.zeros(0, np.uint8)]
    lengths: list[int] = []
    truncated = 0
    with tokenizer_threads(), Meter(f"tokenizing {split.name}", "row", len(split)) as meter:
        for first in range(0, len(split), ROWS_AT_ONCE):
            rows = texts[first : first + ROWS_AT_ONCE]
            encodings = backend.encode_batch_fast(rows)
            pieces.append(np.array([piece for e in encodings for piece in e.ids], dtype))
            if with_types:
                types.append(np.array([kind for e in encodings for kind in e.type_ids], np.uint8))
            lengths += map(len, encodings)
            truncated += sum(bool(e.overflowing) for e in encodings)
            meter.update(len(rows))
    np.save(directory / "pieces.npy", np.concatenate(pieces))
    if with_types:
        np.save(directory / "types.npy", np.concatenate(types))
    np.save(directory / "offsets.npy", np.cumsum([0, *lengths], dtype=np.int64))
    np.save(directory / "truncated.npy", truncated)
