"""A user's own tagged texts: CoNLL files, and tables with a list of words and one of tags in every row."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from tinydistill.console import say
from tinydistill.data.files import check_file, extension, numbered_lines
from tinydistill.data.formats import (
    JSON_LINES,
    Choose,
    Rows,
    column_index,
    json_rows,
    memory_rows,
    parquet_rows,
    unit_of,
)
from tinydistill.data.tasks.file_rows import CutRow, FurtherColumns
from tinydistill.data.tasks.lists import as_list, names_of
from tinydistill.data.tasks.own_rows import OwnRows
from tinydistill.data.tasks.sources import UNLABELED
from tinydistill.data.tasks.table import Table
from tinydistill.data.tasks.tables import in_parts
from tinydistill.data.tasks.tags import Tags, in_iob1, tag_names, to_iob2
from tinydistill.data.tasks.targets import FIX_ROW, Target, label_name
from tinydistill.errors import InputError

_CONLLU = {"FORM": 1, "UPOS": 3}  # the columns of .conllu that are taken unless others are named
_HEADER = re.compile(r"#\s*global\.columns\s*=\s*(.+)")
_PART = re.compile(r"\d+[-.]\d+")  # numbers of CoNLL-U: 1-2 is a word of several, 1.1 one that isn't written


class TagFiles(OwnRows):
    """Texts with a tag for every word.

    CoNLL files have a word a line, its columns separated by blanks or tabs, and an empty line behind every text; JSON
    lines, Parquet and tables in memory have a list of words and one of tags in every row. Tags in IOB1 are read as
    IOB2.

    Args:
        train: a file, a pandas DataFrame or a `datasets.Dataset`.
        validation: the same; without it `validation_fraction` of the training rows.
        test: the same; its rows need no tags.
        text: the column of the words; of a CoNLL file its number from 1 or, where the file names its columns, its name;
            any other word is the first column (CoNLL-U: FORM).
        label: the column of the tags; any other word is the last column of a CoNLL file (CoNLL-U: UPOS).
        labels: the tags in their order; unless given, they follow from the training rows.
        validation_fraction: of the rows.
        split_seed: another one, other validation rows.
        encoding: of text files.
    """

    def __init__(
        self,
        train: Any = None,
        validation: Any = None,
        test: Any = None,
        *,
        text: str = "tokens",
        label: str = "tags",
        labels: Sequence[Any] | None = None,
        validation_fraction: float = 0.1,
        split_seed: int = 0,
        encoding: str = "utf-8",
    ):
        rows = {"train": train, "validation": validation, "test": test}
        cut: Any = {"validation_fraction": validation_fraction, "split_seed": split_seed}
        super().__init__(rows, label, labels=labels, **cut)
        self.text, self.encoding = text, encoding

    @cached_property
    def target(self) -> Target:
        """The tags, as given or as the training rows have them."""
        return Tags(self.labels or tag_names(self.training_table.labels or []))

    def target_named(self, labels: tuple[str, ...]) -> Target:
        """Tags."""
        return Tags(labels)

    def table(self, name: str, *, label_needed: bool = True) -> Table:
        """A file, or a table in memory."""
        rows, argument = self.rows[name], f"{{TaskFiles.{name}}}"
        further = FurtherColumns([self.label], kept=self.predicted(name))
        if isinstance(rows, str | Path):
            (table,) = self._of_file(Path(rows), argument, further, label_needed=label_needed)
            return table
        choose = self._chooser(argument, further, label_needed=label_needed)
        found = further.cuts(memory_rows(rows, choose, name))
        return self._filled(Table(name, "row"), found, names_of(rows, self.label))

    def tables(self, file: str, at_once: int | None = None, *, argument: str = UNLABELED) -> Iterator[Table]:
        """Rows of another file, whose tags are not looked at."""
        return self._of_file(Path(file), argument, FurtherColumns(), label_needed=None, at_once=at_once)

    def _of_file(
        self,
        path: Path,
        argument: str,
        further: FurtherColumns,
        *,
        label_needed: bool | None,
        at_once: int | None = None,
    ) -> Iterator[Table]:
        """Tables of at most so many rows; labels are needed, or read where there are some, or with None not read."""
        check_file(path, argument)
        suffix = extension(path)
        lines = numbered_lines(path, self.encoding, argument=argument, encoding_argument="{TaskFiles.encoding}")
        choose = self._chooser(argument, further, label_needed=label_needed)
        found: Rows
        if suffix in JSON_LINES:
            found = json_rows(path, lines, choose, argument=argument)
        elif suffix == ".parquet":
            found = parquet_rows(path, choose, argument=argument)
        else:
            found = self._conll(path, lines, conllu=suffix == ".conllu", label_needed=label_needed)
        for some in in_parts(further.cuts(found), at_once):
            yield self._filled(Table(str(path), unit_of(path)), some, [])

    def _chooser(self, argument: str, further: FurtherColumns, *, label_needed: bool | None) -> Choose:
        def choose(names: Sequence[str], where: str) -> list[int]:
            wanted = [("text", self.text)]
            if label_needed or (label_needed is not None and self.label in names):
                wanted.append(("label", self.label))
            chosen = [
                column_index(names, column, where, f"set {{TaskFiles.{role}}} to another column, or check {argument}")
                for role, column in wanted
            ]
            return [*chosen, *further.choose(names)]

        return choose

    def _filled(self, table: Table, rows: Iterable[CutRow], names: Sequence[str]) -> Table:
        """The table with the rows' words as texts, and their tags; raises InputError for a row that makes none."""
        tags: list[list[str]] = []
        for place, cells, others in rows:
            where = f"{table.source} {table.unit} {place}"
            words = as_list(cells[0], where, self.text, "words")
            if not words:
                raise InputError(f"{where}: there is no word", FIX_ROW)
            if (empty := next((i for i, word in enumerate(words, 1) if not str(word).strip()), None)) is not None:
                raise InputError(f"{where}: word {empty} is empty", FIX_ROW)
            table.places.append(place)
            table.texts.append(" ".join("\u00a0".join(str(word).split()) for word in words))
            table.keep(others)
            if len(cells) > 1 and cells[1] is not None:
                given = [self._tag(tag, names) for tag in as_list(cells[1], where, self.label, "tags")]
                if len(given) != len(words):
                    raise InputError(f"{where}: there are {len(words)} words and {len(given)} tags", FIX_ROW)
                tags.append(given)
        if tags and len(tags) != len(table):
            raise InputError(
                f"{table.source}: some rows have tags in '{self.label}' and others don't", "tag all or none"
            )
        if in_iob1(tags):
            say(f"the tags of {table.source} are in IOB1 and are read as IOB2")
            tags = [to_iob2(of_row) for of_row in tags]
        table.labels = tags or None
        return table

    def _tag(self, value: Any, names: Sequence[str]) -> str:
        """A tag's name; where the table or the task names them, it may be a number."""
        known = names or [label_name(label) for label in self.labels]
        numbered = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(known)
        return known[value] if numbered else label_name(value)

    def _conll(self, path: Path, lines: Iterable[tuple[int, str]], *, conllu: bool, label_needed: bool | None) -> Rows:
        """(line of the first word, words and tags) of every text."""
        header: list[str] = []
        words: list[str] = []
        tags: list[str] = []
        first = 0
        for number, line in chain(lines, [(0, "")]):
            cells = line.rstrip("\r\n").split("\t") if "\t" in line else line.split()
            if named := _HEADER.match(line):
                header = named[1].split()
            if (cells and cells[0].startswith("-DOCSTART-")) or (line.startswith("#") and (conllu or named)):
                continue
            if not line.strip():
                if words:
                    yield first, [words, tags] if tags else [words]
                words, tags = [], []
                continue
            if (conllu or header) and _PART.fullmatch(cells[0]):
                continue
            first = first if words else number
            words.append(self._cell(path, number, cells, header, self.text, _CONLLU["FORM"] if conllu else 0))
            if label_needed or (label_needed is not None and len(cells) > 1):
                if len(cells) < 2:
                    raise InputError(f"{path} line {number} has one column, so that its word has no tag", FIX_ROW)
                tags.append(self._cell(path, number, cells, header, self.label, _CONLLU["UPOS"] if conllu else -1))

    def _cell(
        self, path: Path, number: int, cells: Sequence[str], header: Sequence[str], column: str, usual: int
    ) -> str:
        place = int(column) - 1 if column.isdecimal() else header.index(column) if column in header else usual
        if not -len(cells) <= place < len(cells):
            raise InputError(
                f"{path} line {number} has {len(cells)} columns, and no column {place + 1}",
                "fix the line, or set {TaskFiles.text} and {TaskFiles.label} to the numbers of the columns",
            )
        return cells[place]
