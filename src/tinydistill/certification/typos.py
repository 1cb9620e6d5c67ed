"""Rows with changed texts, as with typos, to see whether answers stay as they are."""

import random
import re
from collections.abc import Callable
from dataclasses import replace

from tinydistill.data.tasks.examples import Split

_LONG_WORD = re.compile(r"[^\W\d_]{4,}")


def changed(split: Split, change: Callable[[str], str]) -> Split:
    """The rows with each of their texts changed."""
    pairs = None if split.pairs is None else list(map(change, split.pairs))
    return replace(split, texts=list(map(change, split.texts)), pairs=pairs)


def with_typos(text: str, share: float, seed: int = 0) -> str:
    """The text with two neighboring letters swapped in a share of its words of four letters or more, in one at least.

    First and last letters keep their places, and a swap changes something. The same text and seed give the same typos.
    The noise `swap` of Belinkov, Bisk, "Synthetic and Natural Noise Both Break Neural Machine Translation", ICLR 2018.
    """
    generator = random.Random(f"{seed} {text}")
    found = [(match, places) for match in _LONG_WORD.finditer(text) if (places := _swappable(match[0]))]
    if not found:
        return text
    letters = list(text)
    for match, places in generator.sample(found, max(1, round(share * len(found)))):
        at = match.start() + generator.choice(places)
        letters[at], letters[at + 1] = letters[at + 1], letters[at]
    return "".join(letters)


def _swappable(word: str) -> list[int]:
    return [place for place in range(1, len(word) - 2) if word[place] != word[place + 1]]
