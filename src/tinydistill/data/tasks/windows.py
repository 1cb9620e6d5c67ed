"""Long rows in several windows, with what each of their tokens stands for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

Places = NDArray[np.int32]
"""Of the tokens of a window, one number or more each; negative for a token that stands for nothing."""
OVERLAP = 4  # of a window's tokens one in so many at most is in the next one too


@dataclass(frozen=True)
class Windows:
    """How long rows are cut into windows of tokens, each with its special tokens, that overlap.

    `cut` is what the tokenizer cuts, in its words: only_first or only_second of a pair. `places` takes a row and its
    windows and gives for each what its tokens stand for.
    """

    name: str
    cut: str
    places: Callable[[Any, Sequence[Any]], list[Places]]

    def most_of_first(self, max_length: int, special: int) -> int:
        """How many tokens a pair's first text has at most where the second is in windows: half of the room.

        Args:
            max_length: tokens in a window.
            special: how many of them are special.
        """
        return (max_length - special) // 2 if self.cut == "only_second" else 0

    def stride(self, max_length: int, special: int) -> int:
        """How many tokens of a window are in the next one too."""
        rest = max_length - special - self.most_of_first(max_length, special)
        return min(max_length // OVERLAP, rest - 1)


def word_places(text: str, windows: Sequence[Any]) -> list[Places]:
    """For every token of a text's windows the number of the word that it is the first of; -1 for all others.

    Words are what blanks separate. Of several windows the one has a word in which it has the most context.
    """
    blanks = np.cumsum([character == " " for character in text])
    best: dict[int, tuple[int, int, int, int]] = {}  # of a word: least start, most context, window, place
    for number, window in enumerate(windows):
        last = len(window.ids) - 1
        for place, ((start, end), special) in enumerate(zip(window.offsets, window.special_tokens_mask, strict=True)):
            if not special and start < end:
                word = int(blanks[end - 1])  # a byte-level token may begin with the blank before its word
                start += len(text[start:end]) - len(text[start:end].lstrip(" "))
                found = (-start, min(place, last - place), -number, place)
                best[word] = max(best.get(word, found), found)
    places = [np.full(len(window.ids), -1, np.int32) for window in windows]
    for word, (_, _, number, place) in best.items():
        places[-number][place] = word
    return places


WORDS = Windows("words", "only_first", word_places)


def span_places(row: Any, windows: Sequence[Any]) -> list[Places]:
    """For every token of a pair's windows the characters [start, end) of the second text that it stands for.

    -1 for tokens of the first text, special ones, and blanks. The first token, [CLS], has (0, 0): it stands for no
    characters at all.
    """
    text = row[1]
    places = []
    for window in windows:
        found = np.full((len(window.ids), 2), -1, np.int32)
        found[0] = 0
        for place, (of, (start, end)) in enumerate(zip(window.sequence_ids, window.offsets, strict=True)):
            said = text[start:end] if of == 1 else ""
            if said.strip():  # a byte-level token may begin with the blank before its word
                found[place] = end - len(said.lstrip()), start + len(said.rstrip())
        places.append(found)
    return places


ANSWERS = Windows("answers", "only_second", span_places)


def cut_firsts(rows: Sequence[Any], tokenizer: Tokenizer, most: int) -> tuple[list[Any], int]:
    """Pairs whose first texts have at most so many tokens, and how many were cut for it; `tokenizer` doesn't cut."""
    found, count = list(rows), 0
    encodings = tokenizer.encode_batch([text for text, _ in rows], add_special_tokens=False)
    for number, ((text, pair), encoding) in enumerate(zip(rows, encodings, strict=True)):
        count += len(encoding.ids) > most
        while len(encoding.ids) > most:  # cut between its tokens, a text may have others
            text = text[: min(encoding.offsets[most - 1][1], len(text) - 1)]
            found[number] = text, pair
            encoding = tokenizer.encode(text, add_special_tokens=False)
    return found, count
