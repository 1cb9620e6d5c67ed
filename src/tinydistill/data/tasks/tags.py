"""A tag for every word of a text: named entities, parts of speech.

N: rows, P: tokens of all windows.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tinydistill.data.formats import list_names
from tinydistill.data.tasks.encoding import EncodedRows
from tinydistill.data.tasks.ragged import Ragged
from tinydistill.data.tasks.table import Table
from tinydistill.data.tasks.targets import Target
from tinydistill.data.tasks.windows import WORDS, Windows
from tinydistill.errors import InputError

OUTSIDE = "O"
_IN_ENTITY = re.compile(r"(?P<place>[BIES])-(?P<kind>.+)", re.DOTALL)
IGNORED = -100  # in batches: a token that has no tag of its own

Entity = tuple[str, int, int]  # kind, first word, last word


@dataclass(frozen=True)
class Tags(Target):
    """One of `labels` for every word of a text. A split's labels are `Ragged` class numbers, one a word.

    The words of a text are what single blanks separate. Names such as B-PLACE, I-PLACE and O delimit entities.
    """

    windows: ClassVar[Windows | None] = WORDS

    @property
    def entities(self) -> bool:
        """Whether the tags delimit entities."""
        return len(self.labels) > 1 and all(name == OUTSIDE or _IN_ENTITY.fullmatch(name) for name in self.labels)

    @property
    def ended(self) -> bool:
        """Whether tags say where an entity ends, as in BIOES."""
        return self.entities and any(name.startswith(("E-", "S-")) for name in self.labels)

    def entity_spans(self, texts: Sequence[str], labels: Ragged) -> list[list[tuple[int, int]]]:
        """Of each text the characters of the words that are part of an entity, or where tags are none, of no word."""
        inside = np.array([self.entities and name != OUTSIDE for name in self.labels])
        found = []
        for row, text in enumerate(texts):
            ends = np.cumsum([len(word) + 1 for word in text.split(" ")])
            spans = zip([0, *ends[:-1].tolist()], (ends - 1).tolist(), strict=True)
            found.append([span for span, kept in zip(spans, inside[labels.row(row)], strict=True) if kept])
        return found

    def in_batches(self, labels: Any, rows: EncodedRows) -> NDArray[np.int64]:
        """A tag [P] for the first token of every word, IGNORED for the others."""
        assert rows.places is not None
        places = np.asarray(rows.places, np.int64)
        words = labels.offsets[np.repeat(rows.owners, rows.lengths)] + np.maximum(places, 0)
        return np.where(places >= 0, labels.values[words], IGNORED)

    def encode(self, table: Table, column: str) -> Ragged:
        """The tags as numbers. Raises InputError for one that is unknown, with file, line and word."""
        assert table.labels is not None
        numbers = {label: number for number, label in enumerate(self.labels)}
        rows = []
        for row, tags in enumerate(table.labels):
            unknown = next((place for place, tag in enumerate(tags) if tag not in numbers), None)
            if unknown is not None:
                raise InputError(
                    f"{table.where(row)}: the tag {tags[unknown]!r} of word {unknown + 1} "
                    f"({table.texts[row].split(' ')[unknown]!r}) is none of this task, whose tags are "
                    f"{list_names(self.labels)}",
                    "fix the row, or name all that there are in {Target.labels}",
                )
            rows.append(np.array([numbers[tag] for tag in tags], np.int64))
        return Ragged.of(rows)


def tag_names(rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The tags that there are: O first, those of an entity kind together, parts of speech by name."""

    def order(name: str) -> tuple[bool, str, str]:
        found = _IN_ENTITY.fullmatch(name)
        return name != OUTSIDE, found["kind"] if found else name, found["place"] if found else ""

    return tuple(sorted({tag for tags in rows for tag in tags}, key=order))


def entities(tags: Sequence[str], *, ended: bool = False) -> list[Entity]:
    """The entities of a row, strictly as its scheme has them.

    In IOB2 one begins with B and goes on with I of its kind. In BIOES, where they are `ended`, it ends with E, and S is
    one of one word. What doesn't begin, or doesn't end there, is none.
    """
    found: list[Entity] = []
    begun: tuple[str, int] | None = None

    for word, tag in enumerate([*tags, OUTSIDE]):
        match = _IN_ENTITY.fullmatch(tag)
        place, kind = (match["place"], match["kind"]) if match else ("", "")
        if begun and place == "I" and kind == begun[0]:
            continue
        if begun and place == "E" and kind == begun[0]:
            found.append((kind, begun[1], word))
        elif begun and not ended:
            found.append((begun[0], begun[1], word - 1))
        begun = (kind, word) if place == "B" else None
        if place == "S":
            found.append((kind, word, word))
    return found


def in_iob1(rows: Sequence[Sequence[str]]) -> bool:
    """Whether B stands nowhere but behind an entity of its kind, so that entities mostly begin with I."""
    begins_with_i = False
    for tags in rows:
        for before, tag in zip([OUTSIDE, *tags], tags, strict=False):
            match, last = _IN_ENTITY.fullmatch(tag), _IN_ENTITY.fullmatch(before)
            if match is None:
                continue
            follows = last is not None and last["kind"] == match["kind"]
            if match["place"] not in "BI" or (match["place"] == "B" and not follows):
                return False
            begins_with_i |= match["place"] == "I" and not follows
    return begins_with_i


def to_iob2(tags: Sequence[str]) -> list[str]:
    """Tags in IOB1 with a B where an entity begins."""
    found = []
    for before, tag in zip([OUTSIDE, *tags], tags, strict=False):
        begins = tag.startswith("I-") and before[2:] != tag[2:]
        found.append(f"B-{tag[2:]}" if begins else tag)
    return found
