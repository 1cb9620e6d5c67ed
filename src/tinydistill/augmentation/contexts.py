"""Every word in its context, masked: what the masked LM is asked, each question once.

R: masked texts in a group, L: tokens in each.
"""

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from tinydistill.augmentation.words import Spans
from tinydistill.console import Meter
from tinydistill.data.tasks.encoding import ROWS_AT_ONCE
from tinydistill.data.text.token_ids import prepare_tokenizer, tokenizer_threads

GROUP = 1024  # tokens in one forward: more are no faster, not even on one core

Numbers = NDArray[np.int64]


class Group(NamedTuple):
    """Masked texts of one length: what an encoder takes [R, L], and the places of the masks [R]."""

    inputs: dict[str, Tensor]
    places: Tensor
    own: Tensor
    """The ids of the pieces that are masked [R]; -1 where one mask stands for several."""


@dataclass(frozen=True)
class _Frame:
    """The special tokens before, between and after two texts; the types of these five parts, if there are any."""

    specials: tuple[list[int], list[int], list[int]]
    types: list[int] | None

    @property
    def length(self) -> int:
        return sum(map(len, self.specials))


class MaskedWords:
    """The questions to a masked LM: `[CLS] masked text [SEP] text [SEP]`, one word masked.

    A word of one piece is masked as it is. One of several pieces that `askable` accepts (in small letters) becomes a
    single mask, so that whole words can take its place. Texts too long for `max_length` are seen through a window
    around the word. Questions of the same length are cut into groups by the questions alone: whoever computes a group,
    and whatever else with it, computes the same.

    Attributes:
        questions: for each word of each text, in their order, the number of its question; -1 where it has none.
        groups: the numbers of the questions that go through the model together.
    """

    def __init__(
        self,
        words: Spans,
        tokenizer: PreTrainedTokenizerBase,
        *,
        max_length: int,
        askable: Callable[[str], bool],
    ):
        self._mask, self._frame = tokenizer.mask_token_id, _frame(tokenizer)
        self._window = (max_length - self._frame.length) // 2
        self._contexts: list[NDArray[np.int32]] = []  # the pieces of texts, each once
        self.questions, places = self._find(words, tokenizer, askable)
        self._places: Numbers = np.array(places, np.int64).reshape(-1, 3)  # context, first piece, end of pieces
        self.groups = self._grouped()

    def __len__(self) -> int:
        """The number of questions."""
        return len(self._places)

    def identity(self) -> str:
        """The same for the same questions in the same groups."""
        digest = hashlib.sha256(repr((self._mask, self._window, self._frame, GROUP)).encode())
        for array in (self._places, np.cumsum([0, *map(len, self._contexts)]), *self._contexts):
            digest.update(array.tobytes())
        return digest.hexdigest()

    def _find(
        self, words: Spans, tokenizer: PreTrainedTokenizerBase, askable: Callable[[str], bool]
    ) -> tuple[Numbers, list[tuple[int, int, int]]]:
        contexts: dict[bytes, int] = {}
        known: dict[tuple[int, int, int], int] = {}
        questions = []
        for (text, spans), (ids, offsets) in zip(words.items(), _encoded(list(words), tokenizer), strict=True):
            pieces = np.array(ids, np.int32)
            context = contexts.setdefault(pieces.tobytes(), len(contexts))
            if context == len(self._contexts):
                self._contexts.append(pieces)
            for start, end in spans:
                first, last = _pieces_between(text, start, end, offsets)
                fits = 0 < last - first <= self._window
                asked = fits and (last - first == 1 or askable(text[start:end].lower()))
                questions.append(known.setdefault((context, first, last), len(known)) if asked else -1)
        return np.array(questions, np.int64), list(known)

    def _grouped(self) -> list[Numbers]:
        sizes = np.array([len(pieces) for pieces in self._contexts], np.int64)
        seen = np.minimum(sizes[self._places[:, 0]], self._window)
        lengths = self._frame.length + 2 * seen - (self._places[:, 2] - self._places[:, 1] - 1)
        groups = []
        for length in np.unique(lengths).tolist():
            alike = np.flatnonzero(lengths == length)
            rows = max(1, GROUP // length)
            groups += [alike[i : i + rows] for i in range(0, len(alike), rows)]
        return groups

    def group(self, number: int) -> Group:
        """One of the groups as tensors."""
        rows = [self._question(*place) for place in self._places[self.groups[number]].tolist()]
        ids, types, places, own = (torch.from_numpy(np.array(values, np.int64)) for values in zip(*rows, strict=True))
        return Group({"input_ids": ids} | ({} if self._frame.types is None else {"token_type_ids": types}), places, own)

    def _question(self, context: int, first: int, last: int) -> tuple[list[int], list[int], int, int]:
        """Ids and types of the whole, the place of the mask, the piece under it."""
        pieces = self._contexts[context]
        start = min((first + last - self._window) // 2, len(pieces) - self._window)  # the word in the middle
        start = max(start, 0)
        text = pieces[start : start + self._window].tolist()
        first, last = first - start, last - start
        masked = [*text[:first], self._mask, *text[last:]]
        before, between, after = self._frame.specials
        parts = (before, masked, between, text, after)
        types = [kind for kind, part in zip(self._frame.types or [0] * 5, parts, strict=True) for _ in part]
        own = text[first] if last - first == 1 else -1
        return [piece for part in parts for piece in part], types, len(before) + first, own


def _frame(tokenizer: PreTrainedTokenizerBase) -> _Frame:
    """Read off an encoded pair."""
    backend, *_ = prepare_tokenizer(tokenizer)
    pair = backend.encode("a", "a")
    parts: list[tuple[int | None, list[int], int]] = []
    for piece, kind, sequence in zip(pair.ids, pair.type_ids, pair.sequence_ids, strict=True):
        if parts and parts[-1][0] == sequence:
            parts[-1][1].append(piece)
        else:
            parts.append((sequence, [piece], kind))
    before, _first, between, _second, after = parts
    types = [kind for _, _, kind in parts] if "token_type_ids" in tokenizer.model_input_names else None
    return _Frame((before[1], between[1], after[1]), types)


def _encoded(
    texts: Sequence[str], tokenizer: PreTrainedTokenizerBase
) -> Iterator[tuple[list[int], list[tuple[int, int]]]]:
    """Token ids and the characters that they come from, without special tokens."""
    backend, *_ = prepare_tokenizer(tokenizer)
    with tokenizer_threads(), Meter("finding words", "text", len(texts)) as meter:
        for first in range(0, len(texts), ROWS_AT_ONCE):
            batch = texts[first : first + ROWS_AT_ONCE]
            for encoding in backend.encode_batch(batch, add_special_tokens=False):
                yield encoding.ids, encoding.offsets
            meter.update(len(batch))


def _pieces_between(text: str, start: int, end: int, offsets: list[tuple[int, int]]) -> tuple[int, int]:
    """The first piece of a word and the end of its pieces; (0, 0) where pieces hold more than the word or less."""
    first = bisect_right(offsets, start, key=lambda piece: piece[1])
    last = bisect_left(offsets, end, first, key=lambda piece: piece[0])
    whole = first < last and text[offsets[first][0] : offsets[last - 1][1]].strip() == text[start:end]
    return (first, last) if whole else (0, 0)
