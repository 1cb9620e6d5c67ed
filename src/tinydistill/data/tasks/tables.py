"""Tables as the rows of a task: CSV, TSV, JSON lines and Parquet, plain or compressed, and tables in memory."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from numbers import Number
from pathlib import Path
from typing import Any, TypeVar

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
from tinydistill.data.tasks.delimited import delimited_rows
from tinydistill.data.tasks.file_rows import FurtherColumns
from tinydistill.data.tasks.layout import Layout
from tinydistill.data.tasks.table import Table
from tinydistill.errors import InputError

FORMATS = (".csv", ".tsv", *JSON_LINES, ".parquet")

Row = TypeVar("Row")


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
        return delimited_rows(path, suffix, read(), choose, layout)
    if suffix in JSON_LINES:
        return json_rows(path, read(), choose, argument=argument)
    if suffix == ".parquet":
        return parquet_rows(path, choose, argument=argument)
    endings = f"{', '.join(FORMATS)}, then .gz, .xz or .zst if packed"
    raise InputError(f"{path}: the name must end in {endings}", f"check {argument}")
