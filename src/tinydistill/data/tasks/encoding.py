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
from tinydistill.console import Meter, say
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.windows import Places, Windows, cut_firsts
from tinydistill.data.text.packing import TokenIds
from tinydistill.data.text.token_ids import prepare_tokenizer, token_dtype, tokenizer_threads

FORMAT = 1  # part of every cache key: raise it when the same text gives other pieces
ROWS_AT_ONCE = 4096  # that go through the tokenizer together, shared among its threads


class EncodedRows:
    """Rows of different lengths end to end in memory-mapped .npy files, a long one in several windows if need be.

    `pieces` [P] are the tokens with their special tokens, `types` [P] the token types (None where the tokenizer
    makes none); window i is at offsets[i]:offsets[i + 1]. `truncated` counts the rows that were cut.

    Of rows in windows, `owners` [W] has every window's row, and `places` what each token stands for, negative for
    nothing: [P] the number of the word that it is the first token of, or [P, 2] characters, as `span_places` has them.
    """

    def __init__(self, directory: Path):
        def optional(name: str) -> NDArray[Any] | None:
            file = directory / name
            return np.load(file, mmap_mode="r") if file.exists() else None

        self.directory = directory
        self.pieces: TokenIds = np.load(directory / "pieces.npy", mmap_mode="r")
        self.offsets: NDArray[np.int64] = np.load(directory / "offsets.npy")
        self.types: NDArray[np.uint8] | None = optional("types.npy")
        self.places: NDArray[np.int32] | None = optional("places.npy")
        self.truncated = int(np.load(directory / "truncated.npy"))
        owners = optional("owners.npy")
        self.owners: NDArray[np.int64] = np.arange(len(self)) if owners is None else np.array(owners)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __reduce__(self) -> tuple[type, tuple[Path]]:
        return EncodedRows, (self.directory,)  # for workers: the path, not the data

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of every window [W]."""
        return np.diff(self.offsets)

    def valid(self, tokens: Any = slice(None)) -> NDArray[np.bool_]:
        """Which of these tokens, or of all [P], stand for something."""
        assert self.places is not None
        places = self.places[tokens]
        return (places if places.ndim == 1 else places[:, 0]) >= 0


def encode(
    split: Split,
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_length: int,
    cache_dir: str | Path,
    windows: Windows | None = None,
) -> EncodedRows:
    """A split's rows as the tokenizer delimits single texts or pairs, of at most `max_length` tokens.

    Of a pair the longer text is cut first, unless long rows are to be in `windows`. The cache is keyed by the content
    of texts and tokenizer. Raises InputError where the tokenizer isn't a fast one or has no [CLS] and [SEP].
    """
    backend, *_ = prepare_tokenizer(tokenizer)
    special = backend.num_special_tokens_to_add(split.pairs is not None)
    stride = windows.stride(max_length, special) if windows else 0
    backend.enable_truncation(max_length, stride=stride, strategy=windows.cut if windows else "longest_first")
    with_types = "token_type_ids" in tokenizer.model_input_names
    settings = [FORMAT, split.text_identity(), backend.to_str(), with_types]
    settings += [windows.name] if windows else []

    entry = Path(cache_dir) / f"task-{digest(settings)}"
    return EncodedRows(built_once(entry, lambda directory: _build(directory, split, backend, windows, with_types)))


def _build(directory: Path, split: Split, backend: Tokenizer, windows: Windows | None, with_types: bool) -> None:
    texts: list[Any] = split.texts if split.pairs is None else list(zip(split.texts, split.pairs, strict=True))
    if windows and windows.cut == "only_second":
        texts = _with_room(texts, backend, windows, split.name)
    dtype = token_dtype(backend)
    pieces: list[TokenIds] = [np.zeros(0, dtype)]
    types: list[NDArray[Any]] = [np.zeros(0, np.uint8)]
    places: list[Places] = []
    lengths: list[int] = []
    owners: list[int] = []
    truncated = 0
    with tokenizer_threads(), Meter(f"tokenizing {split.name}", "row", len(split)) as meter:
        for first in range(0, len(split), ROWS_AT_ONCE):
            rows = texts[first : first + ROWS_AT_ONCE]
            encodings = backend.encode_batch(rows) if windows else backend.encode_batch_fast(rows)
            truncated += sum(bool(e.overflowing) for e in encodings)
            if windows:
                for number, (text, encoding) in enumerate(zip(rows, encodings, strict=True), start=first):
                    parts = [encoding, *encoding.overflowing]
                    places += windows.places(text, parts)
                    owners += [number] * len(parts)
                encodings = [part for encoding in encodings for part in (encoding, *encoding.overflowing)]
            pieces.append(np.array([piece for e in encodings for piece in e.ids], dtype))
            if with_types:
                types.append(np.array([kind for e in encodings for kind in e.type_ids], np.uint8))
            lengths += map(len, encodings)
            meter.update(len(rows))
    np.save(directory / "pieces.npy", np.concatenate(pieces))
    if with_types:
        np.save(directory / "types.npy", np.concatenate(types))
    if windows:
        np.save(directory / "places.npy", np.concatenate(places))
        np.save(directory / "owners.npy", np.array(owners, np.int64))
    np.save(directory / "offsets.npy", np.cumsum([0, *lengths], dtype=np.int64))
    np.save(directory / "truncated.npy", truncated)


def _with_room(pairs: list[Any], backend: Tokenizer, windows: Windows, name: str) -> list[Any]:
    """The pairs with the first texts cut that would leave too little room for the second ones."""
    truncation: dict[str, Any] = backend.truncation or {}
    most = windows.most_of_first(truncation["max_length"], backend.num_special_tokens_to_add(True))
    backend.no_truncation()
    pairs, cut = cut_firsts(pairs, backend, most)
    backend.enable_truncation(**truncation)
    if cut:
        say(f"{cut:,} of the first texts of {name} are longer than {most} tokens, and are cut there")
    return pairs
