"""CSV and TSV, row by row: cells between delimiters, with quotes or without."""

import csv
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tinydistill.console import say
from tinydistill.data.formats import Choose
from tinydistill.data.tasks.layout import DELIMITERS, Layout
from tinydistill.errors import InputError

MAX_CELL = 1 << 24  # characters; what is longer comes from a quote that isn't closed

Lines = Iterable[tuple[int, str]]


def delimited_rows(
    path: Path, suffix: str, lines: Lines, choose: Choose, layout: Layout
) -> Iterator[tuple[int, list[str] | None]]:
    """(line, the chosen cells) of every row, None for the cells of a damaged one."""
    quoted = layout.quoting if layout.quoting is not None else suffix == ".csv"
    no_quotes = f"set {{{layout.dialect}quoting}} to false if quotes are plain characters here"
    lines = iter(lines)
    number, header = next((line for line in lines if line[1].strip()), (0, ""))
    if not header:
        return
    delimiter = _delimiter(path, suffix, header, layout, quoted=quoted)
    lines = itertools.chain([(number, header)], lines)
    rows = _quoted_cells(path, lines, delimiter, no_quotes, number) if quoted else _cells(lines, delimiter)
    first = next(rows)
    names: Sequence[str] = first[1]
    if layout.header and layout.text not in names:
        names = layout.header
        rows = itertools.chain([first], rows)
    chosen = choose(names, str(path))
    for number, cells in rows:
        if len(cells) == len(names):
            yield number, [cells[i] for i in chosen]
        elif cells in ([], [""]):  # an empty line between rows or at the end
            continue
        elif layout.skip_damaged:
            yield number, None
        else:
            few = "few" if len(cells) < len(names) else "many"
            quotes = no_quotes if quoted else f"set {{{layout.dialect}quoting}} to true if quotes delimit cells here"
            raise InputError(
                f"{path} line {number} has too {few} columns ({len(cells)} where there are {len(names)})",
                f"fix the row{', or ' + quotes if layout.dialect else ''}",
            )


def _delimiter(path: Path, suffix: str, header: str, layout: Layout, *, quoted: bool) -> str:
    """What separates the cells: as asked for, as the name says, or else what finds the text's column in the header."""
    if layout.delimiter is not None:
        if layout.delimiter not in DELIMITERS:
            advice = f"set {{{layout.dialect}delimiter}} to one of {', '.join(DELIMITERS)}"
            raise InputError(f"delimiter={layout.delimiter} is unknown", advice)
        return DELIMITERS[layout.delimiter]
    usual = "," if suffix == ".csv" else "\t"
    if not layout.dialect or layout.text in _split(header, usual, quoted=quoted):
        return usual
    for name, other in DELIMITERS.items():
        if layout.text in _split(header, other, quoted=quoted):
            say(f"the cells of {path} are separated by a {name}")
            return other
    return usual


def _split(header: str, delimiter: str, *, quoted: bool) -> list[str]:
    cells = header.rstrip("\r\n").split(delimiter)
    return [cell.strip('"') for cell in cells] if quoted else cells


def _cells(lines: Lines, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    return ((number, line.rstrip("\r\n").split(delimiter)) for number, line in lines)


def _quoted_cells(
    path: Path, lines: Lines, delimiter: str, advice: str, number: int
) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(MAX_CELL)
    rows = csv.reader((line for _, line in lines), delimiter=delimiter, strict=True)
    before = number
    try:
        for cells in rows:
            yield number, cells
            number = rows.line_num + before
    except csv.Error as error:
        if "new-line character" in str(error):
            message = f"{path} line {number} holds a carriage return that no quotes are around"
            raise InputError(message, "quote the cell, or end all lines alike") from None
        raise InputError(
            f"{path} line {number} has a quote that doesn't end where its cell does ({error})",
            f"double the quotes inside quoted cells, or {advice}",
        ) from None
