"""Where text comes from: files, hub data sets, and the docstrings of what is installed.

A corpus is a small frozen object: `documents()` streams its texts, `identity()` names its content for caching, and
`stamp()` is a cheap stand-in for it: while the stamp stays the same, so does the identity.
"""

import glob
import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tinydistill.data.text import docstrings
from tinydistill.data.text.readers import read_documents
from tinydistill.errors import UserError
from tinydistill.hub import look_for_hub

WIKITEXT_TITLE = re.compile(r"= [^=].* =")  # sections have more: "= = Gameplay = ="


class Corpus(ABC):
    """Text documents with a name for their content."""

    @abstractmethod
    def documents(self) -> Iterator[str]:
        """The texts, in a fixed order, none empty. Raises UserError where there are none or they can't be read."""

    @abstractmethod
    def identity(self) -> str:
        """The same for the same content, wherever it lies."""

    def stamp(self) -> str:
        """Changes whenever the identity may have changed, but reads no content."""
        return self.identity()


@dataclass(frozen=True)
class FilesCorpus(Corpus):
    """Text in files: paths are files, directories (all files below, hidden ones apart) or globs."""

    paths: tuple[str, ...]
    text_column: str = "text"
    encoding: str = "utf-8"

    def documents(self) -> Iterator[str]:
        """The files' documents, file after file."""
        empty = True
        for path in expand(self.paths):
            for text in read_documents(path, self.text_column, self.encoding):
                empty = False
                yield text
        if empty:
            raise UserError(f"corpus.paths: there is no text in {', '.join(self.paths)}")

    def identity(self) -> str:
        """The hash of the files' bytes."""
        digest = hashlib.sha256(f"{self.text_column} {self.encoding}".encode())
        for path in expand(self.paths):
            digest.update(f"{path.suffixes} {_sha256(path)}".encode())
        return f"files {digest.hexdigest()}"

    def stamp(self) -> str:
        """Names, sizes and times of the files."""
        stats = [(str(path.resolve()), path.stat()) for path in expand(self.paths)]
        rows = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
        return json.dumps([self.text_column, self.encoding, rows])


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
        look_for_hub()
        import datasets  # slow to import, and only hub corpora need it

        try:
            rows = datasets.load_dataset(self.repo, self.config, split=self.split, revision=self.revision)
        except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
            # no network, no such data set, configuration or split, a data set that is a script
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(
                f"{self._name} can't be loaded from the hub ({reason}); "
                "without a network, use corpus=docstrings or corpus=files 'corpus.paths=[DIR]'"
            ) from None
        if self.text_column not in rows.column_names:
            columns = ", ".join(rows.column_names)
            raise UserError(f"{self._name} has no column '{self.text_column}' but {columns}: set corpus.text_column")
        batches = rows.select_columns([self.text_column]).iter(batch_size=256)
        texts = (text or "" for batch in batches for text in batch[self.text_column])
        documents = join_wikitext(texts) if self.repo.endswith("/wikitext") else texts
        return (text for text in map(str.strip, documents) if text)

    def identity(self) -> str:
        """Repository, configuration, split and revision."""
        return f"hub {self._name} {self.text_column}"

    @property
    def _name(self) -> str:
        return f"{self.repo}/{self.config or 'default'}/{self.split}@{self.revision or 'main'}"


@dataclass(frozen=True)
class DocstringsCorpus(Corpus):
    """The docstrings and help topics of the Python that runs this, and of installed libraries: no download."""

    max_megabytes: float = 6.0

    def documents(self) -> Iterator[str]:
        """One text a module."""
        for module in docstrings.read_modules(self.max_megabytes):
            yield module.text

    def identity(self) -> str:
        """The versions of Python and the libraries."""
        return f"docstrings of {docstrings.versions()}, {self.max_megabytes} MB"


@dataclass(frozen=True)
class ReadCorpus(Corpus):
    """Documents in memory; `name` stands for their content, `mark` for when it was."""

    texts: tuple[str, ...]
    name: str
    mark: str

    def documents(self) -> Iterator[str]:
        """The documents."""
        return iter(self.texts)

    def identity(self) -> str:
        """What they are called."""
        return self.name

    def stamp(self) -> str:
        """The mark."""
        return self.mark


def join_wikitext(lines: Iterable[str]) -> Iterator[str]:
    """WikiText's rows are lines: joins them into articles, each beginning with its ` = Title = `."""
    article: list[str] = []
    for line in lines:
        if article and WIKITEXT_TITLE.fullmatch(line.strip()) and not line.strip().startswith("= ="):
            yield "".join(article)
            article = []
        article.append(line if line.endswith("\n") else line + "\n")
    yield "".join(article)


def expand(paths: Iterable[str]) -> list[Path]:
    """Files, directories and globs as a list of files, each once; sorted within each directory or glob.

    Raises:
        UserError: a path that doesn't exist, or a glob or directory without files.
    """
    files: dict[Path, None] = {}
    for name in paths:
        path = Path(name).expanduser()
        if path.exists():
            found = _files_below(path)
            problem = "holds no files"
        else:
            # unlike Path.glob, glob.glob skips hidden files and takes absolute patterns
            matches = sorted(glob.glob(str(path), recursive=True)) if glob.has_magic(name) else []  # noqa: PTH207
            found = [file for match in matches for file in _files_below(Path(match))]
            problem = "matches no files" if glob.has_magic(name) else "does not exist"
        if not found:
            raise UserError(f"corpus.paths: '{name}' {problem}")
        files.update(dict.fromkeys(found))
    if not files:
        raise UserError("corpus=files needs text: set 'corpus.paths=[FILE, DIR, or a glob]'")
    return list(files)


def _files_below(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    below = sorted(file.relative_to(path) for file in path.rglob("*") if file.is_file())
    return [path / file for file in below if not any(part.startswith(".") for part in file.parts)]


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while data := file.read(1 << 20):
                digest.update(data)
    except PermissionError:
        raise UserError(f"{path} can't be read (permission denied): check corpus.paths") from None
    return digest.hexdigest()
