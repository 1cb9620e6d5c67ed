"""An embedded task of questions: what does a docstring say about one of its parameters, errors or results?

Docstrings describe these in sections (Google's style, numpy's, Sphinx' fields), which tell where an answer stands: real
texts and real answers without a download. It shows that answering works, and says little about questions of people.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from tinydistill.artifacts.files import digest
from tinydistill.data.tasks.docstring_rows import DocstringRows, Row, cut_after_word
from tinydistill.data.tasks.docstring_sections import Question, questions
from tinydistill.data.tasks.spans import Span, Spans
from tinydistill.data.tasks.targets import Target
from tinydistill.data.text import docstrings

MAX_CONTEXT = 400  # characters; the rest of a longer docstring is cut off
OF_DOCSTRING = 2  # questions at most that have an answer
NONE_IN = 3  # docstrings is asked something that it doesn't say


class Asked(NamedTuple):
    """A row: a question, a docstring on one line, and the characters that answer it; none where it doesn't say."""

    question: str
    context: str
    spans: list[Span]


@dataclass(frozen=True)
class DocstringQuestions(DocstringRows):
    """Questions about parameters, errors and results of docstrings.

    About one row in six asks about something that the docstring doesn't mention.

    Args:
        cache_dir: where the rows are kept.
        train_rows: at most.
        validation_rows: exactly.
        max_answer_length: tokens in an answer at most.
    """

    train_rows: int = 1500
    validation_rows: int = 500
    max_answer_length: int = 30
    name: ClassVar[str] = "docstring_questions"
    made_of: ClassVar[str] = "questions"
    own_rows: ClassVar[str] = "question_files"

    @property
    def target(self) -> Target:
        """Spans, and questions without an answer."""
        return Spans(unanswerable=True, max_answer_length=self.max_answer_length)

    def build(self, modules: Sequence[docstrings.Module]) -> Mapping[str, Sequence[Row]]:
        """Some rows of every docstring."""
        return self.split_by_module(modules, _rows)


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
    context = cut_after_word(" ".join(docstring.split()), MAX_CONTEXT)
    place = len(before) + bool(docstring[:start].split() and docstring[start - 1].isspace())
    span = place, place + len(answer)
    return Asked(question.text, context, [span]) if context[slice(*span)] == answer else None
