"""An embedded task of questions: what does a docstring say about one of its parameters, errors or results?

Docstrings describe these in sections (Google's style, numpy's, Sphinx' fields), which tell where an answer stands: real
texts and real answers without a download. It shows that answering works, and says little about questions of people.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from tinydistill.artifacts.files import built_once, digest, read_json, write_json
from tinydistill.data.tasks.docstring_sections import Question, questions
from tinydistill.data.tasks.examples import Split, to_split
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.data.tasks.spans import Span, Spans
from tinydistill.data.tasks.table import Table
from tinydistill.data.tasks.targets import Target
from tinydistill.data.text import docstrings
from tinydistill.errors import InputError

FORMAT = 1  # part of the cache key: raise it when the same docstrings give other rows
MEGABYTES = 9.0  # of docstrings that are read; equal shares of all that are installed
MAX_CONTEXT = 400  # characters; the rest of a longer docstring is cut off
OF_DOCSTRING = 2  # questions at most that have an answer
NONE_IN = 3  # docstrings is asked something that it doesn't say
ONE_IN = 5  # modules is for validation


class Asked(NamedTuple):
    """A row: a question, a docstring on one line, and the characters that answer it; none where it doesn't say."""

    question: str
    context: str
    spans: list[Span]


@dataclass(frozen=True)
class DocstringQuestions(TaskSource):
    """Questions about parameters, errors and results of docstrings, a function of the installed versions.

    Modules are split, not rows: all rows of a module are on one side, and no row comes twice. About one row in six asks
    about something that the docstring doesn't mention.

    Args:
        cache_dir: where the rows are kept; reading the docstrings takes some ten seconds.
        max_answer_length: tokens in an answer at most.
        train_rows: at most.
        validation_rows: exactly.
    """

    cache_dir: str | Path
    max_answer_length: int = 30
    train_rows: int = 1500
    validation_rows: int = 500

    @property
    def target(self) -> Target:
        """Spans, and questions without an answer."""
        return Spans(unanswerable=True, max_answer_length=self.max_answer_length)

    def train(self) -> Split:
        """Rows of the modules that validation doesn't use."""
        return self._split("train")

    def validation(self) -> dict[str, Split]:
        """Rows of one module in five."""
        return {"validation": self._split("validation")}

    def _split(self, name: str) -> Split:
        settings = [FORMAT, docstrings.versions(), self.train_rows, self.validation_rows]
        entry = built_once(Path(self.cache_dir) / f"docstring-questions-{digest(settings)}", self._build)
        rows = read_json(entry / f"{name}.json")
        table = Table(name, texts=rows["questions"], pairs=rows["contexts"], labels=rows["answers"])
        return to_split(name, table, self.target, label="answers")

    def _build(self, directory: Path) -> None:
        modules = list(docstrings.read_modules(MEGABYTES))
        sides = {"train": [m for n, m in enumerate(modules) if n % ONE_IN], "validation": modules[::ONE_IN]}
        seen: set[tuple[str, str]] = set()
        for name, wanted in (("validation", self.validation_rows), ("train", self.train_rows)):
            rows = list(islice(_rows(sides[name], seen), wanted))
            if len(rows) < (wanted if name == "validation" else 1):
                raise InputError(
                    f"the docstring_questions task needs {wanted} questions for {name}; there are {len(rows)}",
                    "lower {DocstringQuestions.validation_rows}, or take your own rows with {task:question_files} and "
                    "{TaskFiles.train}",
                )
            questions, contexts, answers = zip(*rows, strict=True)
            write_json(directory / f"{name}.json", {"questions": questions, "contexts": contexts, "answers": answers})


def _rows(modules: Iterable[docstrings.Module], seen: set[tuple[str, str]]) -> Iterator[Asked]:
    """Some questions about every docstring, of which `seen` holds none yet; now and then one that it doesn't answer."""
    foreign: Question | None = None  # of another docstring
    for number, docstring in enumerate(text for module in modules for text in module.docstrings):
        found = list(questions(docstring))
        rows = [row for row in (on_one_line(one, docstring) for one in found) if row]
        rows = [row for row in rows if (row.question, row.context) not in seen]
        # Which ones, their hashes say: no kind of question is always the first.
        rows = sorted(rows, key=lambda row: digest([row.question, row.context]))[:OF_DOCSTRING]
        if rows and number % NONE_IN == 0 and foreign and not _says(rows[0].context, foreign.about):
            rows.append(Asked(foreign.text, rows[0].context, []))
        foreign = next((one for one in found if one.about), foreign)
        seen.update((row.question, row.context) for row in rows)
        yield from rows


def _says(text: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) is not None


def on_one_line(question: Question, docstring: str) -> Asked | None:
    """The question about its docstring with single blanks between words; None where the answer isn't all there."""
    start, end = question.span
    before, answer = (" ".join(part.split()) for part in (docstring[:start], docstring[start:end]))
    context = " ".join(docstring.split())
    if len(context) > MAX_CONTEXT:
        context = context[:MAX_CONTEXT].rsplit(" ", 1)[0]
    place = len(before) + bool(docstring[:start].split() and docstring[start - 1].isspace())
    span = place, place + len(answer)
    return Asked(question.text, context, [span]) if context[slice(*span)] == answer else None
