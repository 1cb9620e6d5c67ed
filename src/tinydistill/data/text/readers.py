"""Files in, documents out: plain text, WikiExtractor output, JSON lines and Parquet, compressed or not, as streams."""

import html
import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tinydistill.data.files import COMPRESSED, extension, first_line, numbered_lines
from tinydistill.errors import UserError

MAX_DOCUMENT = 100_000  # characters; longer documents are cut at a line, so that a book is no single held-out document

Lines = Iterable[tuple[int, str]]  # (line number from 1, text)


def read_documents(path: Path, text_column: str = "text", encoding: str = "utf-8") -> Iterator[str]:
    """The documents of one file, stripped, none of them empty, each at most MAX_DOCUMENT characters or one line.

    The format follows from the name (`.parquet`, `.jsonl`, `.json`, `.ndjson`) or else from the first line: `<doc …>`
    is WikiExtractor output, a JSON object in a file without an extension JSON lines, anything else plain text with
    blank lines between documents. Memory doesn't grow with the file.

    Raises:
        UserError: the file can't be read as what it claims to be; the message names file and line.
    """
    suffix = extension(path)
    if suffix == ".parquet":
        texts = _parquet(path, text_column)
    elif suffix in (".jsonl", ".ndjson", ".json"):
        texts = _json_lines(path, _lines(path, encoding), text_column)
    else:
        lines = iter(_lines(path, encoding, limit=MAX_DOCUMENT))
        first = next(lines, (1, ""))
        if first[1].startswith("<doc "):
            texts = _wiki_extractor(itertools.chain([first], lines))
        elif first[1].startswith('{"') and not suffix:
            texts = _json_lines(path, _lines(path, encoding), text_column)
        else:
            texts = _blank_line_separated(itertools.chain([first], lines))
    return (text for text in map(str.strip, texts) if text)


def _blank_line_separated(lines: Lines) -> Iterator[str]:
    return _gathered((line, not line.strip()) for _, line in lines)


def _gathered(lines: Iterable[tuple[str, bool]]) -> Iterator[str]:
    """Joins (line, ends the document) pairs, and cuts what grows too long."""
    document: list[str] = []
    size = 0
    for line, ends in lines:
        if document and (ends or size + len(line) > MAX_DOCUMENT):
            yield "".join(document)
            document, size = [], 0
        if not ends:
            document.append(line)
            size += len(line)
    yield "".join(document)


def _wiki_extractor(lines: Lines) -> Iterator[str]:
    """Articles between `<doc id= url= title=>` and `</doc>`; an article that only holds its title is skipped."""
    lines = iter(lines)
    for _, line in lines:
        if line.startswith("<doc "):
            _, title = next(lines, (0, ""))
            if title.startswith("</doc>"):
                continue
            body = itertools.takewhile(lambda item: not item[1].startswith("</doc>"), lines)
            for part in _gathered((html.unescape(text), False) for _, text in body):
                if part.strip():
                    yield html.unescape(title) + "\n" + part.lstrip() if title else part
                title = ""


def _json_lines(path: Path, lines: Lines, text_column: str) -> Iterator[str]:
    for number, line in lines:
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(
                f"{path} line {number} is not JSON ({error.msg}): mend it, or leave the file out of corpus.paths"
            ) from None
        if not isinstance(row, dict):
            raise UserError(f"{path} line {number} is not a JSON object: each line must be one, with a text column")
        if text_column not in row:
            raise _no_column(f"{path} line {number}", text_column, row)
        text = _text(row[text_column], f"{path} line {number}", text_column)
        yield text.encode("utf-8", "replace").decode()  # JSON can hold half characters, which no tokenizer takes


def _parquet(path: Path, text_column: str) -> Iterator[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.suffix in COMPRESSED:
        raise UserError(f"{path}: Parquet is compressed inside; unpack the file and name it in corpus.paths")
    try:
        # read page by page: by default pyarrow fetches whole columns of a row group
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
            if text_column not in file.schema_arrow.names:
                raise _no_column(str(path), text_column, file.schema_arrow.names)
            for batch in file.iter_batches(batch_size=64, columns=[text_column]):
                for value in batch.column(0).to_pylist():
                    yield _text(value, str(path), text_column)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} is no readable Parquet file ({first_line(error)}): check corpus.paths") from None


def _text(value: Any, where: str, column: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UserError(f"{where}: column '{column}' holds {type(value).__name__}, not text: set corpus.text_column")
    return value


def _no_column(where: str, column: str, columns: Iterable[str]) -> UserError:
    return UserError(f"{where} has no column '{column}' but {', '.join(columns)}: set corpus.text_column to one")


def _lines(path: Path, encoding: str, limit: int = -1) -> Iterator[tuple[int, str]]:
    options = {"option": "corpus.paths", "encoding_option": "corpus.encoding"}
    return numbered_lines(path, encoding, limit=limit, **options)
