"""Long rows in several windows, with what each of their tokens stands for.

P: tokens of all windows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int32]
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
