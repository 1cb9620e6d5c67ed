"""Tables as the rows of a task: CSV, TSV, JSON lines and Parquet, plain or compressed, and tables in memory."""

import csv
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Number
from pathlib import Path
from typing import Any, TypeVar

from tinydistill.console import say
from tinydistill.data.files import check_file, extension, numbered_lines
from tinydistill.data.formats import (
    JSON_LINES,
    Choose,
    column_index,
    json_rows,
    memory_rows,
    parquet_rows,
    shortened,
    text_of,
    unit_of,
)
from tinydistill.data.tasks.file_rows import FurtherColumns
from tinydistill.data.tasks.table import Table
from tinydistill.errors import InputError

FORMATS = (".csv", ".tsv", *JSON_LINES, ".parquet")
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
MAX_CELL = 1 << 24  # characters; what is longer comes from a quote that isn't closed

Lines = Iterable[tuple[int, str]]
Row = TypeVar("Row")


@dataclass(frozen=True)
class Layout:
    """Which columns hold what, and how the bytes of a file become cells.

    `quoting`: whether quotes delimit cells that may hold delimiters and line ends (None: in CSV, not in TSV).
    `delimiter`: one of DELIMITERS (None: a comma in CSV, a tab in TSV, or that of them which a header with the columns
    has). `header` names the columns of files whose first line doesn't. `skip_damaged` leaves out rows of a wrong number
    of cells. `arguments` begins what the arguments are called that name the columns, as "TaskFiles." in
    {TaskFiles.text_pair}, `dialect` those of encoding, quoting and delimiter; they are empty where these are fixed.
    `others` are further columns, which are read as they are. Where several columns stand for labels, `label_columns`
    names them in place of `label`, and a row's label is the list of their cells; with `lists` the one column may hold
    lists. With `keep` the table has all other columns and those of the texts as they are.
    """

    text: str
    text_pair: str | None = None
    label: str | None = None
    arguments: str = ""
    encoding: str = "utf-8"
    quoting: bool | None = None
    delimiter: str | None = None
    header: Sequence[str] = ()
    skip_damaged: bool = False
    dialect: str = ""
    others: Sequence[str] = ()
    label_columns: Sequence[str] = ()
    lists: bool = False
    keep: bool = False

    def advice(self, role: str, argument: str) -> str:
        """What to do about a column that is missing or holds the wrong thing, in the file that `argument` named."""
        role = "label_columns" if role == "label" and self.label_columns else role
        return f"set {{{self.arguments}{role}}} to another column" if self.arguments else f"check {argument}"

    def roles(self) -> list[tuple[str, str]]:
        """(text, text_pair, label or other, the column) of all that there are."""
        texts = [(role, column) for role in ("text", "text_pair") if (column := getattr(self, role)) is not None]
        labels = self.label_columns or ([] if self.label is None else [self.label])
        return texts + [("label", column) for column in labels] + [("others", column) for column in self.others]


def read_table(rows: Any, layout: Layout, *, argument: str, name: str = "", label_needed: bool = True) -> Table:
    """The rows of a file, or of a DataFrame or Dataset called `name`; without labels where there are none nor needed.

    Raises InputError, which names file and line, where the file is missing, can't be read as what its name claims,
    lacks a column or has it twice, or a row has too few or too many cells. `argument` names it: {TaskFiles.train}.
    """
    (table,) = read_tables(rows, layout, argument=argument, name=name, label_needed=label_needed)
    return table


def read_tables(
    rows: Any,
    layout: Layout,
    *,
    argument: str,
    name: str = "",
    label_needed: bool = True,
    at_once: int | None = None,
) -> Iterator[Table]:
    """The same in one table or more of at most so many rows, read as they are asked for."""
    found: list[tuple[str, str, str]] = []
    further = FurtherColumns((c for role, c in layout.roles() if role in ("label", "others")), kept=layout.keep)

    def choose(names: Sequence[str], where: str) -> list[int]:
        labeled = label_needed or any(column in names for role, column in layout.roles() if role == "label")
        roles = [role for role in layout.roles() if labeled or role[0] != "label"]
        found[:] = [(*role, layout.advice(role[0], argument)) for role in roles]
        return [*(column_index(names, column, where, advice) for _, column, advice in found), *further.choose(names)]

    if isinstance(rows, str | Path):
        source, unit = str(rows), unit_of(Path(rows))
        found_rows = rows_of_file(Path(rows), choose, layout, argument)
    else:
        source, unit = name, "row"
        found_rows = memory_rows(rows, choose, name)
    # As a row is read: the next one of JSON lines may have other columns.
    divided = ((place, None if cells is None else (*further.cut(cells), tuple(found))) for place, cells in found_rows)
    for some in in_parts(divided, at_once):
        table = Table(source, unit, pairs=None if layout.text_pair is None else [])
        for place, row in some:
            if row is None:
                table.skipped += 1
            else:
                _add(table, place, *row, layout)
        if not found:
            raise InputError(f"{table.source} is empty", f"check {argument}")
        if len(table.labels or ()) not in (0, len(table)):  # JSON lines may differ
            named = f"a column '{layout.label}'" if not layout.label_columns else "columns of labels"
            message = f"{table.source}: some rows have {named} and others don't"
            raise InputError(message, "give it to all or none")
        yield table


def _add(
    table: Table,
    place: int,
    cells: list[Any],
    others: dict[str, Any],
    found: Sequence[tuple[str, str, str]],
    layout: Layout,
) -> None:
    """Take a row into a table. Raises InputError where a cell holds what its role doesn't allow."""
    where = f"{table.source} {table.unit} {place}"
    by_role: dict[str, list[Any]] = {"text": [], "text_pair": [], "label": [], "others": []}
    for (role, column, advice), cell in zip(found, cells, strict=True):
        if role == "label" and not (layout.lists or cell is None or isinstance(cell, str | Number)):
            raise InputError(f"{where}: column '{column}' holds {shortened(cell)}, no name or number", advice)
        by_role[role].append(text_of(cell, where, column, advice) if role.startswith("text") else cell)
    table.places.append(place)
    table.texts += by_role["text"]
    if table.pairs is not None:
        table.pairs += by_role["text_pair"]
    if labels := by_role["label"]:
        table.labels = table.labels or []
        table.labels.append(labels if layout.label_columns else labels[0])
    table.others.append(by_role["others"])
    table.keep(others)


def in_parts(rows: Iterable[Row], at_once: int | None) -> Iterator[Iterable[Row]]:
    """Rows in one part or more of at most so many; None for a single part."""
    rest = iter(rows)
    if at_once is None:
        yield rest
        return
    part = list(itertools.islice(rest, at_once))
    yield part
    while part := list(itertools.islice(rest, at_once)):
        yield part


def rows_of_file(path: Path, choose: Choose, layout: Layout, argument: str) -> Iterator[tuple[int, list[Any] | None]]:
    """(line or row, the chosen cells) of every row of a file, None for the cells of a damaged one.

    Raises InputError as `read_table` does.
    """
    check_file(path, argument)
    suffix = extension(path)
    encoding_argument = f"{{{layout.dialect}encoding}}" if layout.dialect else ""
    read = partial(numbered_lines, path, layout.encoding, argument=argument, encoding_argument=encoding_argument)
    if suffix in (".csv", ".tsv"):
        return _delimited(path, suffix, read(), choose, layout)
    if suffix in JSON_LINES:
        return json_rows(path, read(), choose, argument=argument)
    if suffix == ".parquet":
        return parquet_rows(path, choose, argument=argument)
    endings = f"{', '.join(FORMATS)}, then .gz, .xz or .zst if packed"
    raise InputError(f"{path}: the name must end in {endings}", f"check {argument}")


def _delimited(
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
