"""The words of a text that may be replaced, by their places in it: all else stays byte for byte as it is."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from tinydistill.augmentation.stop_words import ENGLISH
from tinydistill.data.files import numbered_lines
from tinydistill.errors import InputError

Span = tuple[int, int]  # of characters
Spans = Mapping[str, Sequence[Span]]  # the eligible words of each text

_WORD = re.compile(r"(?:[^\W_]|[\u0300-\u036f])+")  # letters and digits, with the accents that stand on their own


def eligible_words(text: str, stop_words: Collection[str]) -> list[Span]:
    """The words of the letters a to z, large or small, that are no stop words."""
    found = ((match[0], match.span()) for match in _WORD.finditer(text))
    return [span for word, span in found if is_plain(word) and word.lower() not in stop_words]


def is_plain(word: str) -> bool:
    """Whether a word is made of the letters a to z alone, large or small."""
    return word.isascii() and word.isalpha()


def match_case(replaced: str, word: str) -> str:
    """A lower-case word in the case of the one that it replaces: Film for Movie, FILM for MOVIE."""
    if replaced.isupper() and len(replaced) > 1:
        return word.upper()
    return word.capitalize() if replaced[0].isupper() else word


def read_stop_words(path: str | Path | None) -> frozenset[str]:
    """The words of a file, one a line; the English ones without a file. Raises InputError where it can't be read."""
    if path is None:
        return ENGLISH
    if not Path(path).is_file():
        raise InputError(f"there is no file {path}", "check {read_stop_words.path}")
    lines = numbered_lines(Path(path), argument="{read_stop_words.path}")
    return frozenset(word for _, line in lines if (word := line.strip().lower()))
