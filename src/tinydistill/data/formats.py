"""Rows of files, the hub and tables in memory: streamed, and of every row the wanted columns' values alone."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tinydistill.data.files import COMPRESSED, extension, first_line
from tinydistill.errors import InputError
from tinydistill.hub import look_for_hub

JSON_LINES = (".jsonl", ".ndjson", ".json")
ROWS_AT_ONCE = 256  # that are unpacked from Parquet together: they may be whole books

Choose = Callable[[Sequence[str], str], list[int]]  # of a header and its place, the wanted columns
Rows = Iterator[tuple[int, list[Any]]]  # (line or row, the wanted columns' values)


def json_rows(path: Path, lines: Iterable[tuple[int, str]], choose: Choose, *, argument: str) -> Rows:
    """JSON objects, one a line, which may differ in their keys."""
    names: list[str] = []
    for number, line in lines:
        if not line.strip():
            continue
        try:
            pairs = json.loads(line, object_pairs_hook=_Pairs)
        except (ValueError, RecursionError) as error:  # numbers may have too many digits, lists be nested too deep
            said = getattr(error, "msg", "") or first_line(error).split(";")[0]
            advice = f"fix the line, or leave the file out of {argument}"
            raise InputError(f"{path} line {number} is not JSON ({said})", advice) from None
        if not isinstance(pairs, _Pairs):
            advice = "each line must be one, with the columns as its keys"
            raise InputError(f"{path} line {number} is not a JSON object", advice)
        if (now := [name for name, _ in pairs]) != names:
            names = now
            chosen = choose(names, f"{path} line {number}")
        yield number, [whole_characters(pairs[i][1]) for i in chosen]


def json_objects(objects: Sequence[Any], choose: Choose, source: str) -> Rows:
    """(number from 1, the chosen values) of every object of a JSON list."""
    for number, one in enumerate(objects, start=1):
        if not isinstance(one, dict):
            raise InputError(
                f"{source} row {number} is not a JSON object", "each must be one, with the columns as its keys"
            )
        values = list(one.values())
        yield number, [values[i] for i in choose(list(one), f"{source} row {number}")]


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with all its keys, those that come twice too."""


def whole_characters(value: Any) -> Any:
    """A JSON value without half characters, which JSON can hold and no tokenizer takes; of a key twice the last."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, _Pairs | dict):
        return {key: whole_characters(part) for key, part in dict(value).items()}
    return [whole_characters(part) for part in value] if isinstance(value, list) else value


def parquet_rows(path: Path, choose: Choose, *, argument: str) -> Rows:
    """Rows of a Parquet file, numbered from 1."""
    import pyarrow.parquet as pq

    if path.suffix in COMPRESSED:
        raise InputError(f"{path}: Parquet is compressed inside", f"unpack the file and name it in {argument}")
    try:
        # read page by page: by default pyarrow fetches whole columns of a row group
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
            names = file.schema_arrow.names
            chosen = choose(names, str(path))
            number = 1
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=[names[i] for i in dict.fromkeys(chosen)]):
                places = {i: batch.schema.names.index(names[i]) for i in chosen}
                columns = {i: batch.column(place).to_pylist() for i, place in places.items()}
                for cells in zip(*(columns[i] for i in chosen), strict=True):
                    yield number, list(cells)
                    number += 1
    except InputError:
        raise
    except Exception as error:  # of many kinds, from text that is not UTF-8 to sizes that no memory holds
        raise InputError(f"{path} is no readable Parquet file ({first_line(error)})", f"check {argument}") from None


def memory_rows(rows: Any, choose: Choose, name: str) -> Rows:
    """Rows of a pandas DataFrame or a `datasets.Dataset`, numbered from 0; classes that it names are their names."""
    pandas = hasattr(rows, "iloc")
    if not pandas and not hasattr(rows, "features"):
        raise InputError(f"{name} is a {type(rows).__name__}, no file, pandas DataFrame or datasets.Dataset")
    names = list(rows.columns if pandas else rows.column_names)
    chosen = choose(names, name)
    columns = {i: _values(rows, names[i]) for i in dict.fromkeys(chosen)}
    return ((number, list(cells)) for number, cells in enumerate(zip(*(columns[i] for i in chosen), strict=True)))


def _values(rows: Any, column: str) -> list[Any]:
    if hasattr(rows[column], "notna"):  # pandas has more than one way to say that there is none
        return rows[column].astype(object).where(rows[column].notna(), None).tolist()
    classes = getattr(rows.features[column], "names", None)
    return [classes[value] if classes and value is not None and value >= 0 else value for value in rows[column]]


def hub_rows(name: str, repo: str, config: str | None, split: str, revision: str | None, *, advice: str) -> Any:
    """One split of a data set on the hub as a `datasets.Dataset`, from the local copy that the first use downloads.

    Raises InputError where it can't be loaded, which calls it `name`; `advice` says what works without a network.
    """
    look_for_hub()
    import datasets  # slow to import, and only data sets of the hub need it

    try:
        return datasets.load_dataset(repo, config, split=split, revision=revision)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        # no network, no such data set, configuration or split, a data set that is a script
        advice = f"without a network, use {advice}"
        raise InputError(f"{name} can't be loaded from the hub ({first_line(error)})", advice) from None


def column_index(names: Sequence[str], column: str, where: str, advice: str) -> int:
    """Which of the columns that one is. Raises InputError where there is none or more than one of that name."""
    if column not in names:
        shown = list_names([str(name) or "''" for name in names]) or "none"
        raise InputError(f"{where} has no column '{column}' but {shown}", advice)
    if (count := list(names).count(column)) > 1:
        raise InputError(f"{where} has {count} columns called '{column}'", "rename all but one")
    return list(names).index(column)


def text_of(value: Any, where: str, column: str, advice: str) -> str:
    """A cell's text, "" where it is empty. Raises InputError where it holds anything else."""
    if value is not None and not isinstance(value, str):
        raise InputError(f"{where}: column '{column}' holds {shortened(value)}, which is not text", advice)
    return value or ""


def unit_of(path: Path) -> str:
    """What a file's rows are numbered by: "row" in Parquet, else "line"."""
    return "row" if extension(path) == ".parquet" else "line"


def list_names(names: Sequence[str], most: int = 20) -> str:
    """Names for a message; of many the first ones."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def shortened(value: Any) -> str:
    """A value for a message, not too long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
