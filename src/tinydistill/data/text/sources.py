"""Where text comes from: files, data sets on the hub, docstrings of what is installed, texts in memory."""

import glob
import hashlib
import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tinydistill.artifacts.files import file_hash
from tinydistill.data.files import check_file
from tinydistill.data.formats import column_index, hub_rows
from tinydistill.data.text import docstrings
from tinydistill.data.text.readers import read_documents
from tinydistill.data.text.remote import copied, is_url
from tinydistill.errors import InputError

PART = 8_000_000  # bytes of files that are read by one process at least
WIKITEXT_TITLE = re.compile(r"= [^=].* =")  # sections have more: "= = Gameplay = ="


class Corpus(ABC):
    """Text documents with a name for their content.

    Subclass it for your own, which a configuration names as `_target_` and makes from plain arguments.
    A subclass needs `documents` and `identity`. The command line shows an `InputError` that they raise as one line.
    """

    @abstractmethod
    def documents(self) -> Iterator[str]:
        """The texts, in a fixed order, none empty; they are read once, as a stream."""

    @abstractmethod
    def identity(self) -> str:
        """The same for the same content, wherever it lies: what caches know the corpus by."""

    def stamp(self) -> str:
        """Changes whenever the identity may have changed; worth its own where that takes reading the content."""
        return self.identity()

    def parts(self) -> Sequence[Iterable[str]]:
        """What several processes can read at a time: all documents, one part's after the other's. None: one reads."""
        return ()


class FilesCorpus(Corpus):
    """Text in files: plain, JSON lines, Parquet or WikiExtractor output, compressed or not.

    Args:
        paths: files, directories (all files below, hidden ones apart), globs, or URLs of any of these.
        text_column: of JSON lines and Parquet.
        encoding: of what is not Parquet.
        copies: the directory that files of a URL are copied to.
    """

    def __init__(
        self,
        paths: str | Path | Sequence[str | Path],
        text_column: str = "text",
        encoding: str = "utf-8",
        copies: str | Path = "outputs/cache/remote",
    ):
        self.paths = [str(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
        self.copies = Path(copies)
        self.text_column, self.encoding = str(text_column), str(encoding)

    def documents(self) -> Iterator[str]:
        """The files' documents, file after file."""
        empty = True
        for text in self._of(expand(self.paths, self.copies)):
            empty = False
            yield text
        if empty:
            raise InputError(f"there is no text in {', '.join(self.paths)}", "name other files in {FilesCorpus.paths}")

    def identity(self) -> str:
        """The hash of the files' bytes."""
        digest = hashlib.sha256(f"{self.text_column} {self.encoding}".encode())
        for path in expand(self.paths, self.copies):
            try:
                digest.update(f"{path.suffixes} {file_hash(path)}".encode())
            except PermissionError:
                raise InputError(f"{path} can't be read (permission denied)", "check {FilesCorpus.paths}") from None
        return f"files {digest.hexdigest()}"

    def stamp(self) -> str:
        """Names, sizes and times of the files."""
        stats = [(str(path.resolve()), path.stat()) for path in expand(self.paths, self.copies)]
        rows = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
        return json.dumps([self.text_column, self.encoding, rows])

    def parts(self) -> Sequence[Iterable[str]]:
        """Files that lie next to each other, some megabytes of them in a part."""
        parts: list[_Files] = []
        room = 0
        for path in expand(self.paths, self.copies):
            if room <= 0:
                parts.append(self._of([]))
                room = PART
            parts[-1].paths.append(path)
            room -= path.stat().st_size
        return parts

    def _of(self, paths: list[Path]) -> "_Files":
        return _Files(paths, self.text_column, self.encoding)


@dataclass(frozen=True)
class _Files:
    """The documents of files, one file's after the other's."""

    paths: list[Path]
    text_column: str
    encoding: str

    def __iter__(self) -> Iterator[str]:
        for path in self.paths:
            yield from read_documents(path, self.text_column, self.encoding)


@dataclass(frozen=True)
class HubCorpus(Corpus):
    """One split of a data set on the Hugging Face hub. WikiText's rows, which are lines, are joined into articles."""

    repo: str
    config: str | None = None
    split: str = "train"
    text_column: str = "text"
    revision: str | None = None

    def documents(self) -> Iterator[str]:
        """The rows' texts, streamed from the local copy that the first use downloads."""
        offline = "{corpus:docstrings}, or {corpus:files} with {FilesCorpus.paths}"
        rows = hub_rows(self._name, self.repo, self.config, self.split, self.revision, advice=offline)
        advice = "set {HubCorpus.text_column} to another column"
        column_index(rows.column_names, self.text_column, self._name, advice)
        batches = rows.select_columns([self.text_column]).iter(batch_size=256)
        texts = (text or "" for batch in batches for text in batch[self.text_column])
        return _stripped(join_wikitext(texts) if self.repo.endswith("/wikitext") else texts)

    def identity(self) -> str:
        """Repository, configuration, split and revision."""
        return f"hub {self._name} {self.text_column}"

    @property
    def _name(self) -> str:
        return f"{self.repo}/{self.config or 'default'}/{self.split}@{self.revision or 'main'}"


@dataclass(frozen=True)
class DocstringsCorpus(Corpus):
    """The docstrings and help topics of the Python that runs this, and of installed libraries: no download."""

    max_megabytes: float = 4.0

    def documents(self) -> Iterator[str]:
        """One text a module."""
        return (module.text for module in docstrings.read_modules(self.max_megabytes))

    def identity(self) -> str:
        """The versions of Python and the libraries."""
        return f"docstrings of {docstrings.versions()}, {self.max_megabytes} MB"


@dataclass(frozen=True)
class TextsCorpus(Corpus):
    """Documents in memory."""

    texts: Sequence[str]

    def documents(self) -> Iterator[str]:
        """The documents."""
        return _stripped(self.texts)

    def identity(self) -> str:
        """The hash of the texts."""
        return self._identity

    @cached_property
    def _identity(self) -> str:
        digest = hashlib.sha256()
        for text in map(str.encode, self.texts):
            digest.update(len(text).to_bytes(8, "big") + text)
        return f"texts {digest.hexdigest()}"


def _stripped(texts: Iterable[str]) -> Iterator[str]:
    return (text for text in map(str.strip, texts) if text)


def join_wikitext(lines: Iterable[str]) -> Iterator[str]:
    """WikiText's rows are lines: joins them into articles, each beginning with its ` = Title = `."""
    article: list[str] = []
    for line in lines:
        if article and WIKITEXT_TITLE.fullmatch(line.strip()) and not line.strip().startswith("= ="):
            yield "".join(article)
            article = []
        article.append(line if line.endswith("\n") else line + "\n")
    yield "".join(article)


def expand(paths: Iterable[str], copies: Path, argument: str = "{FilesCorpus.paths}") -> list[Path]:
    """Files, directories, globs and URLs as a list of files, each once; sorted within each directory or glob.

    What URLs name is copied below `copies`. Raises InputError for a path that doesn't exist, and a glob or directory
    without files.
    """
    files: dict[Path, None] = {}
    for name in paths:
        if is_url(name):
            files.update(dict.fromkeys(copied(name, copies)))
            continue
        path = Path(name).expanduser()
        there = os.path.exists(path)  # noqa: PTH110  # which a name that is too long doesn't stop
        # unlike Path.glob, glob.glob skips hidden files and takes absolute patterns
        matches = [path] if there else map(Path, sorted(glob.glob(str(path), recursive=True)))  # noqa: PTH207
        found = [file for match in matches for file in _files_below(match, argument)]
        if not found:
            absent = "matches no files" if glob.has_magic(name) else "does not exist"
            problem = "holds no files" if there else absent
            raise InputError(f"'{name}' {problem}", f"check {argument}")
        files.update(dict.fromkeys(found))
    if not files:
        raise InputError("no files of text are named", f"set {argument} to [FILE, DIR, or a glob]")
    return list(files)


def _files_below(path: Path, argument: str) -> list[Path]:
    if not path.is_dir():
        if not path.exists():
            return []
        check_file(path, argument)
        return [path]
    below = sorted(file.relative_to(path) for file in path.rglob("*") if file.is_file())
    return [path / file for file in below if not any(part.startswith(".") for part in file.parts)]
