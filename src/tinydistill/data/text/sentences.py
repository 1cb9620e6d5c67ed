"""Documents as sentences: a rule for prose, not a parser."""

import re
from collections.abc import Iterator

_ENDS = re.compile(r"""(?:(?<=[.!?])|(?<=[.!?]['")\]]))\s+(?=['"(\[]*[A-Z0-9])""")  # where the next sentence begins
_SHORT = re.compile(r"(?:\b(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|vs|etc|e\.g|i\.e|cf|al|No|Fig)|\.\.)\.$")  # don't end one
_WORDS = re.compile(r"[^\W\d_]{2,}")
LEAST_WORDS, MOST_CHARACTERS = 4, 400


def sentences(document: str) -> Iterator[str]:
    """The sentences of a document's lines, on one line each: of LEAST_WORDS words or more, and not too long.

    A line ends a sentence, unless it ends without a mark and the next one goes on in small letters.
    """
    for paragraph in _paragraphs(document):
        begun = ""
        for part in _ENDS.split(paragraph):
            begun = f"{begun} {part}".strip()
            if _SHORT.search(begun):
                continue
            if _is_one(begun):
                yield begun
            begun = ""
        if _is_one(begun):
            yield begun


def _paragraphs(document: str) -> Iterator[str]:
    """Lines, those of a paragraph that is set in several joined again."""
    begun: list[str] = []
    for line in (*document.splitlines(), ""):
        text = line.strip()
        if begun and not (text[:1].islower() and begun[-1][-1:] not in ".!?:"):
            yield " ".join(" ".join(begun).split())
            begun = []
        if text:
            begun.append(text)


def _is_one(text: str) -> bool:
    return len(text) <= MOST_CHARACTERS and len(_WORDS.findall(text)) >= LEAST_WORDS
