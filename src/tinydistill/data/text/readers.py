"""Files in, documents out: plain text, WikiExtractor output, JSON lines and Parquet, compressed or not, as streams."""

import html
import itertools
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from tinydistill.data.files import extension, numbered_lines
from tinydistill.data.formats import JSON_LINES, Rows, column_index, json_rows, parquet_rows, text_of, unit_of

PATHS, OTHER_COLUMN = "{FilesCorpus.paths}", "set {FilesCorpus.text_column} to another column"
MAX_DOCUMENT = 100_000  # characters; longer documents are cut at a line, so that a book is no single held-out document

Lines = Iterable[tuple[int, str]]  # (line number from 1, text)


def read_documents(path: Path, text_column: str = "text", encoding: str = "utf-8") -> Iterator[str]:
    """The documents of one file, stripped, none of them empty, each at most MAX_DOCUMENT characters or one line.

    The format follows from the name (`.parquet`, `.jsonl`, `.json`, `.ndjson`) or else from the first line: `<doc …>`
    is WikiExtractor output, a JSON object in a file without an extension JSON lines, anything else plain text with
    blank lines between documents. Memory doesn't grow with the file. Raises InputError, which names file and line.
    """

    def choose(names: Sequence[str], where: str) -> list[int]:
        return [column_index(names, text_column, where, OTHER_COLUMN)]

    def json_lines() -> Iterator[str]:
        return _column(path, json_rows(path, read(), choose, argument=PATHS), text_column)

    read = partial(numbered_lines, path, encoding, argument=PATHS, encoding_argument="{FilesCorpus.encoding}")
    suffix = extension(path)
    if suffix == ".parquet":
        texts = _column(path, parquet_rows(path, choose, argument=PATHS), text_column)
    elif suffix in JSON_LINES:
        texts = json_lines()
    else:
        lines = read(limit=MAX_DOCUMENT)
        first = next(lines, (1, ""))
        if first[1].startswith("<doc "):
            texts = _wiki_extractor(itertools.chain([first], lines))
        elif first[1].startswith('{"') and not suffix:
            texts = json_lines()
        else:
            texts = _gathered((line, not line.strip()) for _, line in itertools.chain([first], lines))
    return (text for text in map(str.strip, texts) if text)


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


def _column(path: Path, rows: Rows, column: str) -> Iterator[str]:
    unit = unit_of(path)
    for number, (value,) in rows:
        yield text_of(value, f"{path} {unit} {number}", column, OTHER_COLUMN)
