"""Tables that are written part by part, in the format of the table that they go beside."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from tinydistill.data.files import extension
from tinydistill.escaping import for_spreadsheet

Columns = Mapping[str, Sequence[Any]]
Write = Callable[[Columns, Columns], None]
"""Appends rows: columns that were given, which stay as they are, and those that are added behind them."""


def written_as(beside: Path) -> str:
    """How the name of a table beside that one ends: .csv, .tsv, .parquet, or .jsonl beside any other file."""
    suffix = extension(beside)
    return suffix if suffix in (".csv", ".tsv", ".parquet") else ".jsonl"


@contextmanager
def table_writer(file: Path, beside: Path, *, quoted: bool) -> Iterator[Write]:
    """What writes a file in the format of `beside`; every part has the same columns.

    In CSV and TSV lists are JSON, and what is added is no formula to a spreadsheet; cells are `quoted` where they hold
    delimiters or line ends, or else these become blanks. The columns of Parquet keep their types.
    """
    suffix = written_as(beside)
    if suffix == ".parquet":
        with _parquet(file, beside) as write:
            yield write
        return
    with file.open("w", encoding="utf-8", newline="") as out:
        yield _json_lines(out) if suffix == ".jsonl" else _cells(out, "," if suffix == ".csv" else "\t", quoted=quoted)


def _json_lines(out: TextIO) -> Write:
    def write(given: Columns, added: Columns) -> None:
        columns = {**given, **added}
        for cells in zip(*columns.values(), strict=True):
            out.write(json.dumps(dict(zip(columns, cells, strict=True)), ensure_ascii=False, default=str) + "\n")

    return write


def _cells(out: TextIO, delimiter: str, *, quoted: bool) -> Write:
    rows = csv.writer(out, delimiter=delimiter, lineterminator="\n")

    def write_row(cells: Sequence[str]) -> None:
        if quoted:
            rows.writerow(cells)
        else:
            out.write(delimiter.join(" ".join(cell.replace(delimiter, " ").splitlines()) for cell in cells) + "\n")

    def write(given: Columns, added: Columns) -> None:
        if not out.tell():
            write_row([*given, *map(for_spreadsheet, added)])
        safe = [[for_spreadsheet(_cell(value)) for value in cells] for cells in added.values()]
        for row in zip(*given.values(), *safe, strict=True):
            write_row(list(map(_cell, row)))

    return write


def _cell(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else str(value)


@contextmanager
def _parquet(file: Path, beside: Path) -> Iterator[Write]:
    import pyarrow as pa  # slow to import
    import pyarrow.parquet as pq

    types, writers = pq.read_schema(beside), list[Any]()

    def field(name: str, cells: Sequence[Any]) -> Any:
        if name in types.names:
            return types.field(name)
        found = pa.array(cells).type
        empty = pa.types.is_list(found) and pa.types.is_null(found.value_type)  # all lists of the first part are
        return pa.field(name, pa.list_(pa.string()) if empty else found)

    def write(given: Columns, added: Columns) -> None:
        columns = {**given, **added}
        if not writers:
            schema = pa.schema([field(name, cells) for name, cells in columns.items()])
            writers.append(pq.ParquetWriter(file, schema))
        writers[0].write_table(pa.table(columns, schema=writers[0].schema))

    try:
        yield write
    finally:
        for writer in writers:
            writer.close()
