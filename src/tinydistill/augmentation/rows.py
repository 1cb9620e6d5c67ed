"""Augmented rows: some words of a row's text replaced, row after row, to Parquet."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tinydistill.augmentation.words import Span, match_case
from tinydistill.console import Meter
from tinydistill.data.tasks.datamodule import MADE_FROM, UNLABELED
from tinydistill.data.tasks.examples import Split

_ROWS_AT_ONCE = 65536  # written to Parquet together


def texts_of(rows: Split) -> list[str]:
    """Every text of a split once, in their order, those of pairs after the first ones."""
    return list(dict.fromkeys([*rows.texts, *(rows.pairs or ())]))


@dataclass(frozen=True)
class Row:
    """A text, or a pair, and the number of the row that it was made from."""

    text: str
    pair: str | None
    source: int


@dataclass
class Counts:
    """What was made."""

    rows: int = 0
    """Those that were there before among them."""
    words: int = 0
    """Of the texts that were changed, the eligible ones that have candidates."""
    replaced: int = 0
    """How many of these words are others now."""
    examples: list[list[Row]] = field(default_factory=list)
    """The first sources that have new rows, each with these."""

    def summary(self, sources: int) -> dict[str, Any]:
        """For a report: how many rows there are, of so many that were there before, and some of them."""
        return {
            "rows": self.rows,
            "source_rows": sources,
            "rows_per_source": self.rows / sources,
            "examples": [[[row.text, row.pair] for row in example[:3]] for example in self.examples],
        }


@dataclass(frozen=True)
class Choices:
    """A text, the words in it that can be replaced, and by which words."""

    text: str
    spans: Sequence[Span]
    candidates: Sequence[Sequence[str]]

    def without(self, kept: Sequence[Span]) -> "Choices":
        """Those of words that lie in none of these spans."""
        left = [
            number
            for number, (start, end) in enumerate(self.spans)
            if not any(first < end and start < last for first, last in kept)
        ]
        return Choices(self.text, [self.spans[n] for n in left], [self.candidates[n] for n in left])


def replace_words(
    choices: Choices, count: int, probability: float, random: np.random.Generator
) -> Iterator[tuple[str, int]]:
    """`count` times the text with each word replaced with this probability, by any candidate; and how many were.

    More of them begin with the same ones.
    """
    text, spans = choices.text, choices.spans
    if not spans:
        return
    edges = [0, *(edge for span in spans for edge in span), len(text)]
    parts = [text[a:b] for a, b in pairwise(edges)]  # what stays and words, in turn
    draws = random.random((count, 2, len(spans)))
    for chosen, which in zip(draws[:, 0] < probability, draws[:, 1], strict=True):
        copy = parts.copy()
        for word in np.flatnonzero(chosen).tolist():
            candidates = choices.candidates[word]
            copy[2 * word + 1] = match_case(parts[2 * word + 1], candidates[int(which[word] * len(candidates))])
        yield "".join(copy), int(chosen.sum())


def augmented_rows(
    rows: Split,
    choices: Callable[[str], Choices],
    count: int,
    probability: float,
    seed: int,
    counts: Counts,
    kept: Sequence[Sequence[Span]] | None = None,
) -> Iterator[Row]:
    """Every row of a split followed by the new ones made from it, each once; `counts` is kept on the way.

    Words within the spans of characters that are `kept` of a row's first text stay as they are.

    Of a pair first the one text is replaced `count` times, beside the other as it is, then the other. The random
    numbers are those of the seed, the row's number and the column: no row depends on another.
    """
    meter = Meter("writing rows made of", "row", len(rows))
    for source, text in enumerate(rows.texts):
        meter.update()
        pair = None if rows.pairs is None else rows.pairs[source]
        made = {(text, pair): Row(text, pair, source)}
        for column, old in enumerate((text,) if pair is None else (text, pair)):
            random = np.random.default_rng([seed, source, column])
            can = choices(old)
            if kept is not None and column == 0:
                can = can.without(kept[source])
            for new, replaced in replace_words(can, count, probability, random):
                texts: tuple[str, str | None] = (new, pair) if column == 0 else (text, new)
                if texts not in made:
                    made[texts] = Row(*texts, source)
                    counts.words += len(can.spans)
                    counts.replaced += replaced
        if len(made) > 1 and len(counts.examples) < 3:
            counts.examples.append(list(made.values()))
        counts.rows += len(made)
        yield from made.values()


def write_rows(file: Path, rows: Iterable[Row], *, pairs: bool, made_from: str, labeled: bool = True) -> None:
    """Writes rows to Parquet as they come; `made_from` is the identity of the texts that they were made from.

    `labeled` says whether they have the labels of the rows that they were made from.
    """
    columns = {"text": pa.string(), **({"text_pair": pa.string()} if pairs else {}), "source_row": pa.int64()}
    schema = pa.schema(columns, metadata={MADE_FROM: made_from, **({} if labeled else {UNLABELED: "true"})})
    file.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        remaining = iter(rows)
        while some := list(islice(remaining, _ROWS_AT_ONCE)):
            values = [[row.text for row in some], [row.pair for row in some], [row.source for row in some]]
            writer.write_table(pa.table(values if pairs else values[::2], schema=schema))
