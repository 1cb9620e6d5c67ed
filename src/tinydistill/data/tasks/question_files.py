"""A user's own questions about texts: SQuAD's JSON, and tables with a question, a text and its answers in every row."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from tinydistill.console import say
from tinydistill.data.files import check_file, extension
from tinydistill.data.formats import Choose, column_index, json_objects, memory_rows, text_of, unit_of
from tinydistill.data.tasks import squad_json
from tinydistill.data.tasks.file_rows import FurtherColumns
from tinydistill.data.tasks.given_answers import Given, given_answers, span_of
from tinydistill.data.tasks.layout import Layout
from tinydistill.data.tasks.own_rows import OwnRows
from tinydistill.data.tasks.sources import UNLABELED
from tinydistill.data.tasks.spans import Span, Spans
from tinydistill.data.tasks.table import Table
from tinydistill.data.tasks.tables import in_parts, rows_of_file
from tinydistill.data.tasks.targets import FIX_ROW, Target
from tinydistill.errors import InputError

Row = tuple[Any, str, str, list[Given] | None, dict[str, Any]]
"""Where it stands, question, text, answers (None where none are given), and what other columns hold."""


class QuestionFiles(OwnRows):
    """Questions about texts, their contexts, with the spans that answer them.

    A file is SQuAD's JSON, or CSV, TSV, JSON lines or Parquet with a row for every question. Answers are a text or a
    list of texts, which begin where a column says or, without it, where the text first has them; or as the hub's data
    sets have them, {text: [...], answer_start: [...]}. No answer, an empty cell or list, is one that the text doesn't
    have.

    Args:
        train: a file, a pandas DataFrame or a `datasets.Dataset`.
        validation: the same; without it `validation_fraction` of the training rows.
        test: the same; its rows need no answers.
        text: the column of the questions.
        text_pair: the column of the contexts.
        label: the column of the answers.
        answer_start: the column of the answers' first characters, counted from 0; it may be missing.
        max_answer_length: tokens in an answer at most.
        validation_fraction: of the questions; those about the same context stay together.
        split_seed: another one, other validation rows.
        encoding: of text files.
        quoting: whether quotes delimit cells; None for yes in CSV, no in TSV.
        delimiter: what separates cells: comma, semicolon, tab or pipe; None finds it out.
    """

    def __init__(
        self,
        train: Any = None,
        validation: Any = None,
        test: Any = None,
        *,
        text: str = "question",
        text_pair: str = "context",
        label: str = "answers",
        answer_start: str = "answer_start",
        max_answer_length: int = 30,
        validation_fraction: float = 0.1,
        split_seed: int = 0,
        encoding: str = "utf-8",
        quoting: bool | None = None,
        delimiter: str | None = None,
    ):
        rows = {"train": train, "validation": validation, "test": test}
        super().__init__(rows, label, validation_fraction=validation_fraction, split_seed=split_seed)
        dialect: Any = {"encoding": encoding, "quoting": quoting, "delimiter": delimiter, "dialect": "TaskFiles."}
        self.layout = Layout(text, text_pair, label, "TaskFiles.", **dialect)
        self.answer_start, self.max_answer_length = answer_start, max_answer_length

    @cached_property
    def target(self) -> Target:
        """Spans; that there may be none, where training rows, or else validation rows, have questions without."""
        table = self.table("validation") if self.rows["train"] is None and self.rows["validation"] else None
        labels = (table or self.training_table).labels or []
        return Spans(unanswerable=not all(labels), max_answer_length=self.max_answer_length)

    def target_named(self, labels: tuple[str, ...]) -> Target:
        """Spans, or none."""
        return Spans(unanswerable=True, max_answer_length=self.max_answer_length)

    def table(self, name: str, *, label_needed: bool = True) -> Table:
        """A file, or a table in memory."""
        for role in ("text", "text_pair", "label"):
            if getattr(self.layout, role) is None:
                raise InputError("rows need columns of questions, texts and answers", f"set {{TaskFiles.{role}}}")
        layout = replace(self.layout, keep=self.predicted(name))
        (table,) = self._read(self.rows[name], name, f"{{TaskFiles.{name}}}", layout, needed=label_needed)
        return table

    def tables(self, file: str, at_once: int | None = None, *, argument: str = UNLABELED) -> Iterator[Table]:
        """Rows of another file, whose answers are not looked at; SQuAD's JSON is read as a whole."""
        layout = replace(self.layout, label=None, keep=True)
        return self._read(file, "unlabeled", argument, layout, needed=False, at_once=at_once)

    def _read(
        self, rows: Any, name: str, argument: str, layout: Layout, *, needed: bool, at_once: int | None = None
    ) -> Iterator[Table]:
        answers = () if layout.label is None else (layout.label, self.answer_start)
        further = FurtherColumns(answers, kept=layout.keep)
        choose = self._chooser(layout, argument, further, needed=needed)
        found: Iterator[Row]
        if not isinstance(rows, str | Path):
            table = Table(name, "row")
            found = self._of_cells(memory_rows(rows, choose, name), table, further)
            yield self._filled(table, found, needed=needed)
            return
        path, value = Path(rows), None
        check_file(path, argument)
        table = Table(str(path), unit_of(path))
        if extension(path) == ".json":
            dialect = {"argument": argument, "encoding_argument": "{TaskFiles.encoding}"}
            value = squad_json.whole_json(path, layout.encoding, **dialect)
        if value is None or (isinstance(value, dict) and layout.text in value):
            found = self._of_cells(rows_of_file(path, choose, layout, argument), table, further)
        elif (objects := squad_json.flat(value, layout.text)) is not None:
            table.unit = "row"
            found = self._of_cells(json_objects(objects, choose, str(path)), table, further)
        else:
            table.unit = "question"
            found = self._of_squad(path, value, argument, layout, needed=needed)
        for some in in_parts(found, at_once):
            yield self._filled(Table(table.source, table.unit), some, needed=needed)

    def _chooser(self, layout: Layout, argument: str, further: FurtherColumns, *, needed: bool) -> Choose:
        def choose(names: Sequence[str], where: str) -> list[int]:
            roles = [role for role in layout.roles() if role[0] != "label" or needed or role[1] in names]
            if roles[-1][0] == "label" and self.answer_start in names:
                roles.append(("answer_start", self.answer_start))
            chosen = [column_index(names, column, where, layout.advice(role, argument)) for role, column in roles]
            return [*chosen, *further.choose(names)]

        return choose

    def _of_cells(self, rows: Iterable[tuple[int, Any]], table: Table, further: FurtherColumns) -> Iterator[Row]:
        """Rows of a table: question, text, answers if there are any, and where these start if that is known."""
        for place, cells, others in further.cuts(rows):
            where = f"{table.source} {table.unit} {place}"
            question, text = (
                text_of(cell, where, column, self.layout.advice(role, ""))
                for (role, column), cell in zip(self.layout.roles()[:2], cells[:2], strict=True)
            )
            value, start = [*cells[2:], None, None][:2]
            yield place, question, text, given_answers(value, start, where, str(self.layout.label)), others

    def _of_squad(self, path: Path, value: Any, argument: str, layout: Layout, *, needed: bool) -> Iterator[Row]:
        for number, question, text, answers in squad_json.questions(path, value, argument=argument):
            where = f"{path} question {number}"
            if answers is None and needed:
                raise InputError(f"{where} has no 'answers'", FIX_ROW)
            given = given_answers(answers, None, where, "answers") if layout.label is not None else None
            others = {"id": number, "question": question, "context": text} if layout.keep else {}
            yield number, question, text, given, others

    def _filled(self, table: Table, rows: Iterable[Row], *, needed: bool) -> Table:
        """The table with texts and spans; raises InputError for an answer that its text doesn't have."""
        labels: list[list[Span]] = []
        pairs: list[str] = []
        several = 0
        for place, question, text, answers, others in rows:
            where = f"{table.source} {table.unit} {place}"
            for what, said in (("question", question), ("context", text)):
                if not said.strip():
                    raise InputError(f"{where}: the {what} is empty", FIX_ROW)
            table.places.append(place)
            table.texts.append(question)
            pairs.append(text)
            table.keep(others)
            several += any(start is None and text.count(said.strip()) > 1 for said, start in answers or [])
            labels.append([span_of(said, start, text, where) for said, start in answers or []])
        if several:
            say(f"{several:,} answers of {table.source} stand in their contexts several times: the first counts")
        table.pairs, table.labels = pairs, list(labels) if any(labels) else None
        if needed and len(table) and not table.labels:
            raise InputError(
                f"{table.source}: none of its {len(table)} questions has an answer in '{self.label}'",
                "set {TaskFiles.label} to the column of the answers",
            )
        return table
