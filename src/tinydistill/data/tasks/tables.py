"""Tables in files, as the rows of a task: CSV, TSV, JSON lines and Parquet, plain or compressed."""

import csv
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinydistill.data.files import COMPRESSED, extension, first_line, numbered_lines
from tinydistill.data.tasks.examples import Table, said
from tinydistill.errors import UserError

JSON_LINES = (".jsonl", ".ndjson", ".json")
FORMATS = (".csv", ".tsv", *JSON_LINES, ".parquet")
MAX_CELL = 1 << 24  # characters; what is longer comes from a quote that isn't closed

Lines = Iterator[tuple[int, str]]
Rows = Iterator[tuple[int, list[str]]]  # (line, cells)
Cells = Iterator[tuple[int, list[Any] | None]]  # (line, the chosen columns' values; None for a damaged row)
Choose = Callable[[Sequence[str], str], list[int]]  # of a header and its place, the columns wanted


@dataclass(frozen=True)
class Columns:
    """Which columns hold what. The options that say so are `options` and text, text_pair or label; None for none."""

    text: str
    text_pair: str | None = None
    label: str | None = None
    options: str | None = "task."

    def mend(self, word: str, option: str) -> str:
        """What to do about a column that is missing or holds the wrong thing, in the file that `option` named."""
        return f"check {option}" if self.options is None else f"set {self.options}{word} to one"

    def roles(self) -> list[tuple[str, str]]:
        """(the option's last word, the column) of all that there are."""
        words = ("text", "text_pair", "label")
        return [(word, column) for word in words if (column := getattr(self, word)) is not None]


@dataclass(frozen=True)
class Dialect:
    """How the bytes of a file become cells.

    `quoting`: whether quotes delimit cells that may hold delimiters and line ends (None: in CSV, not in TSV). `header`
    names the columns of files whose first line doesn't. `skip_damaged` leaves out rows of a wrong number of cells.
    """

    encoding: str = "utf-8"
    quoting: bool | None = None
    header: tuple[str, ...] = ()
    skip_damaged: bool = False


PLAIN = Dialect()


def read_table(
    path: Path, columns: Columns, *, option: str, label_needed: bool = True, dialect: Dialect = PLAIN
) -> Table:
    """The rows of one file; its labels are None where there is no such column and none is needed.

    Raises:
        UserError: the file is missing, can't be read as what its name claims, lacks a column or has it twice, or a row
            has too few or too many cells. The message names file, line and the option to set.
    """
    if not path.is_file():
        raise UserError(f"{option}: there is no file {path}")
    suffix = extension(path)
    table = Table(str(path), unit="row" if suffix == ".parquet" else "line")
    found: list[tuple[str, str]] = []

    def choose(names: Sequence[str], where: str) -> list[int]:
        found[:] = [role for role in columns.roles() if label_needed or role[0] != "label" or role[1] in names]
        return [_index(names, column, where, columns.mend(word, option)) for word, column in found]

    if suffix in (".csv", ".tsv"):
        rows = _delimited(path, suffix, choose, columns, dialect, option)
    elif suffix in JSON_LINES:
        rows = _json_lines(path, choose, dialect, option)
    elif suffix == ".parquet":
        rows = _parquet(path, choose, option)
    else:
        raise UserError(f"{option}={path}: the name must end in {', '.join(FORMATS)}, then .gz, .xz or .zst if packed")

    values: dict[str, list[Any]] = {"text": table.texts, "text_pair": [], "label": []}
    for place, cells in rows:
        if cells is None:
            table.skipped += 1
            continue
        table.places.append(place)
        for (word, column), cell in zip(found, cells, strict=True):
            values[word].append(cell if word == "label" else _text(cell, table, column, columns.mend(word, option)))
    table.pairs = values["text_pair"] if columns.text_pair is not None else None
    table.labels = values["label"] or None
    if len(values["label"]) not in (0, len(table)):  # JSON lines may differ
        raise UserError(f"{path}: some rows have a column '{columns.label}' and others don't: give it to all or none")
    return table


def _index(names: Sequence[str], column: str, where: str, mend: str) -> int:
    if column not in names:
        raise UserError(f"{where} has no column '{column}' but {', '.join(map(str, names))}: {mend}")
    if list(names).count(column) > 1:
        raise UserError(f"{where} has {list(names).count(column)} columns called '{column}': rename all but one")
    return list(names).index(column)


def _text(value: Any, table: Table, column: str, mend: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        where = table.where(len(table.places) - 1)
        raise UserError(f"{where}: column '{column}' holds {said(value)}, but only a column of text will do: {mend}")
    return value


def _delimited(path: Path, suffix: str, choose: Choose, columns: Columns, dialect: Dialect, option: str) -> Cells:
    lines = numbered_lines(path, dialect.encoding, option=option, encoding_option="task.encoding")
    quoted = dialect.quoting if dialect.quoting is not None else suffix == ".csv"
    delimiter = "," if suffix == ".csv" else "\t"
    rows = _quoted_cells(path, lines, delimiter) if quoted else _cells(lines, delimiter)
    first = next(rows, None)
    if first is None:
        raise UserError(f"{path} is empty: check {option}")
    names = first[1]
    if dialect.header and columns.text not in names:
        names = list(dialect.header)
        rows = itertools.chain([first], rows)
    chosen = choose(names, str(path))
    for number, cells in rows:
        if len(cells) == len(names):
            yield number, [cells[i] for i in chosen]
        elif cells in ([], [""]):  # an empty line between rows or at the end
            continue
        elif dialect.skip_damaged:
            yield number, None
        else:
            few = "few" if len(cells) < len(names) else "many"
            hint = "quotes delimit cells here, unless task.quoting=false"
            if not quoted:
                hint = "quotes are plain characters here, unless task.quoting=true"
            raise UserError(
                f"{path} line {number} has too {few} columns ({len(cells)} where there are {len(names)}): "
                f"mend the row ({hint})"
            )


def _cells(lines: Lines, delimiter: str) -> Rows:
    return ((number, line.rstrip("\r\n").split(delimiter)) for number, line in lines)


def _quoted_cells(path: Path, lines: Lines, delimiter: str) -> Rows:
    csv.field_size_limit(MAX_CELL)
    rows = csv.reader((line for _, line in lines), delimiter=delimiter, strict=True)
    number = 1
    try:
        for cells in rows:
            yield number, cells
            number = rows.line_num + 1
    except csv.Error as error:
        raise UserError(
            f"{path} line {number} has a quote that doesn't end where its cell does ({error}): double the quotes "
            "inside quoted cells, or set task.quoting=false if quotes are plain characters"
        ) from None


def _json_lines(path: Path, choose: Choose, dialect: Dialect, option: str) -> Cells:
    names: list[str] = []
    for number, line in numbered_lines(path, dialect.encoding, option=option, encoding_option="task.encoding"):
        if not line.strip():
            continue
        try:
            pairs = json.loads(line, object_pairs_hook=_Pairs)
        except json.JSONDecodeError as error:
            raise UserError(f"{path} line {number} is not JSON ({error.msg}): mend it, or check {option}") from None
        if not isinstance(pairs, _Pairs):
            raise UserError(
                f"{path} line {number} is not a JSON object: each line must be one, with the task's columns"
            )
        if (now := [name for name, _ in pairs]) != names:
            names = now
            chosen = choose(names, f"{path} line {number}")
        yield number, [_whole_characters(pairs[i][1]) for i in chosen]
    if not names:
        raise UserError(f"{path} is empty: check {option}")


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with all its keys, those that come twice too."""


def _whole_characters(value: Any) -> Any:
    """JSON can hold half characters, which no tokenizer takes."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _parquet(path: Path, choose: Choose, option: str) -> Cells:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.suffix in COMPRESSED:
        raise UserError(f"{path}: Parquet is compressed inside; unpack the file and name it in {option}")
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            names = file.schema_arrow.names
            chosen = choose(names, str(path))
            number = 1
            for batch in file.iter_batches(batch_size=4096, columns=[names[i] for i in chosen]):
                columns = [batch.column(names[i]).to_pylist() for i in chosen]
                for cells in zip(*columns, strict=True):
                    yield number, list(cells)
                    number += 1
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} is no readable Parquet file ({first_line(error)}): check {option}") from None
