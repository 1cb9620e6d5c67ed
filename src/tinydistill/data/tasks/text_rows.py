"""Plain texts as the rows of a task of sentence embeddings, and files to score these on."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tinydistill.artifacts.files import built_once, digest, read_json, write_json
from tinydistill.data.files import check_file, extension, numbered_lines
from tinydistill.data.formats import column_index, text_of, unit_of
from tinydistill.data.tasks.embeddings import Embedding
from tinydistill.data.tasks.evaluation_files import read_retrieval, read_similarities
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.layout import Layout
from tinydistill.data.tasks.sources import UNLABELED, TaskSource, smallest_hashes
from tinydistill.data.tasks.table import Table
from tinydistill.data.tasks.tables import FORMATS, read_tables, rows_of_file
from tinydistill.data.tasks.targets import Target
from tinydistill.data.text.sentences import sentences
from tinydistill.data.text.sources import Corpus, FilesCorpus, expand
from tinydistill.errors import InputError

MOST_HELD_OUT = 2000
_FORMAT = 1  # part of the cache key: raise it when a corpus gives other sentences


class UnlabeledTexts(TaskSource):
    """Texts without labels, and files that people have judged, which embeddings are scored on. A subclass has `texts`.

    A text that is scored on isn't trained on. Where there are no files to score on, a part of the texts is held out.

    Args:
        sts: a file of pairs of texts with a score of how alike they are, or several.
        sts_columns: its columns of first text, second text and score.
        queries: a file of queries, with `documents` and `relevance`, all in BEIR's format.
        documents: what is searched.
        relevance: which document is relevant to which query.
        validation_fraction: share of the texts that is held out where nothing else is scored, 2,000 at most.
        split_seed: another one, other texts.
        encoding: of text files.
        quoting: whether quotes delimit cells; None for yes in CSV, no in TSV.
        delimiter: what separates cells: comma, semicolon, tab or pipe; None finds it out.
    """

    labeled: ClassVar[bool] = False
    text: str = "text"
    """The column of the texts in a table."""

    def __init__(
        self,
        *,
        sts: str | Path | Sequence[str | Path] | None = None,
        sts_columns: Sequence[str] = ("text", "text_pair", "score"),
        queries: str | Path | None = None,
        documents: str | Path | None = None,
        relevance: str | Path | None = None,
        validation_fraction: float = 0.1,
        split_seed: int = 0,
        encoding: str = "utf-8",
        quoting: bool | None = None,
        delimiter: str | None = None,
    ):
        self.sts, self.sts_columns = _listed(sts), sts_columns
        self.retrieval = {"queries": queries, "documents": documents, "relevance": relevance}
        self.validation_fraction, self.split_seed = validation_fraction, split_seed
        self.dialect: dict[str, Any] = {
            "encoding": encoding,
            "quoting": quoting,
            "delimiter": delimiter,
            "dialect": "TaskFiles.",
        }

    def tables(self, file: str, at_once: int | None = None, *, argument: str = UNLABELED) -> Iterator[Table]:
        """Rows of a table with a column of texts."""
        return read_tables(file, Layout(self.text, **self.dialect, keep=True), argument=argument, at_once=at_once)

    @abstractmethod
    def texts(self) -> Iterable[str]:
        """All that may be trained on, in a fixed order; copies and blanks are left out afterwards."""

    def judged(self) -> dict[str, Split]:
        """What a source has by itself that embeddings are scored on, beside what files have."""
        return {}

    @property
    def target(self) -> Target:
        """A vector."""
        return Embedding()

    def train(self) -> Split:
        """The texts that nothing is scored on. Raises InputError where there are none."""
        if self._judged:
            return self._texts
        return self._texts.take(np.flatnonzero(~self._held_out))

    def validation(self) -> dict[str, Split]:
        """What people have judged, or else the texts that are held out."""
        return self._judged or {"heldout": replace(self._texts.take(np.flatnonzero(self._held_out)), name="heldout")}

    @cached_property
    def _judged(self) -> dict[str, Split]:
        found: dict[str, Split] = {}
        for file in self.sts:
            name = "sts" if len(self.sts) == 1 else Path(file).name.partition(".")[0]
            if name in found:
                raise InputError(f"two files of pairs are called {name}", "rename one of {TextRows.sts}")
            found[name] = read_similarities(file, name, self.sts_columns, self.dialect)
        given = [name for name, file in self.retrieval.items() if file is not None]
        if given and len(given) < len(self.retrieval):
            missing = next(name for name in self.retrieval if name not in given)
            raise InputError(f"{' and '.join(given)} are named, and no {missing}", f"set {{TextRows.{missing}}} too")
        if given:
            found["retrieval"] = read_retrieval(**self.retrieval, dialect=self.dialect)  # type: ignore[arg-type]
        return {**found, **self.judged()}

    @cached_property
    def _texts(self) -> Split:
        scored = {text for split in self._judged.values() for text in split.texts}
        kept = [text for text in dict.fromkeys(map(str.strip, self.texts())) if text and text not in scored]
        if len(kept) < 2:
            raise InputError("there are no texts to train on", "name some with {TaskFiles.train} or {TextRows.corpus}")
        return Split("train", kept)

    @cached_property
    def _held_out(self) -> Any:
        share = min(self.validation_fraction, MOST_HELD_OUT / len(self._texts))
        return smallest_hashes(self._texts, share, self.split_seed)


class TextRows(UnlabeledTexts):
    """Texts of files, one in every line or row, and the sentences of a corpus.

    Args:
        files: tables (CSV, TSV, JSON lines, Parquet) whose column `text` they are in, any other files with a text a
            line, directories and globs of either.
        text: that column.
        corpus: documents whose sentences are rows too, or the files that they are in, as FilesCorpus takes them.
        max_sentences: of the corpus at most, from all over it; None for all.
        cache_dir: where these sentences are kept, and copies of files that a URL names.
        evaluation: what UnlabeledTexts takes.
    """

    def __init__(
        self,
        files: str | Path | Sequence[str | Path] | None = None,
        *,
        text: str = "text",
        corpus: Corpus | Sequence[str] | None = None,
        max_sentences: int | None = None,
        cache_dir: str | Path = "outputs/cache",
        **evaluation: Any,
    ):
        super().__init__(**evaluation)
        self.files, self.text = _listed(files), text
        self.max_sentences, self.cache_dir = max_sentences, Path(cache_dir)
        self.corpus: Corpus | None = None
        if isinstance(corpus, Corpus):
            self.corpus = corpus
        elif corpus:
            encoding = self.dialect["encoding"]
            self.corpus = FilesCorpus(corpus, encoding=encoding, copies=self.cache_dir / "remote")

    def texts(self) -> Iterable[str]:
        """File after file, then the corpus."""
        argument = "{TaskFiles.train}"
        paths = [str(file) for file in self.files]
        for path in expand(paths, self.cache_dir / "remote", argument) if paths else []:
            check_file(path, argument)
            if extension(path) in FORMATS:
                yield from self._column(path, argument)
            else:
                encoding = self.dialect["encoding"]
                lines = numbered_lines(path, encoding, argument=argument, encoding_argument="{TaskFiles.encoding}")
                yield from (" ".join(line.split()) for _, line in lines)
        if self.corpus is not None:
            yield from sentences_of(self.corpus, self.max_sentences, self.cache_dir)

    def _column(self, path: Path, argument: str) -> Iterable[str]:
        advice = f"set {{TaskFiles.text}} to another column, or check {argument}"
        unit = unit_of(path)

        def choose(names: Sequence[str], where: str) -> list[int]:
            return [column_index(names, self.text, where, advice)]

        for place, cells in rows_of_file(path, choose, Layout(self.text, **self.dialect), argument):
            yield text_of(cells[0] if cells else None, f"{path} {unit} {place}", self.text, advice)


def sentences_of(corpus: Corpus, most: int | None, cache_dir: Path) -> list[str]:
    """A corpus's sentences, each once, or so many from all over it, in their order; found once for a content."""

    def build(directory: Path) -> None:
        found = list(dict.fromkeys(text for document in corpus.documents() for text in sentences(document)))
        if most is not None and most < len(found):
            rows = np.sort(np.random.default_rng(0).permutation(len(found))[:most])
            found = [found[row] for row in rows]
        write_json(directory / "sentences.json", found)

    entry = built_once(cache_dir / f"sentences-{digest([_FORMAT, corpus.identity(), most])}", build)
    found: list[str] = read_json(entry / "sentences.json")
    return found


def _listed(files: str | Path | Sequence[str | Path] | None) -> list[str | Path]:
    return [] if files is None else [files] if isinstance(files, str | Path) else list(files)
