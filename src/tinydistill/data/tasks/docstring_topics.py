"""An embedded task of several labels: by how a docstring begins, which sections does its author write below?

A text is what stands before the first section: the summary and what explains it. The labels are the sections that
follow, of which nothing is shown; what a function does, and how its library writes, is left to tell them by. Made of
what is installed, so it needs no download; it shows that several labels work, and says little about topics in prose.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from tinydistill.data.tasks.docstring_rows import DocstringRows, Row, cut_after_word
from tinydistill.data.tasks.docstrings import SAME_START
from tinydistill.data.tasks.several_labels import SeveralLabels
from tinydistill.data.tasks.targets import Target
from tinydistill.data.text import docstrings

TOPICS = ("examples", "notes", "parameters", "raises", "references", "returns", "see also")
_TITLES = {  # the title of a section alone on its line, without what is around it
    **dict.fromkeys(("example", "examples", "example usage", "basic usage", "usage"), "examples"),
    **dict.fromkeys(("note", "notes"), "notes"),
    **dict.fromkeys(("args", "arguments", "keyword args", "keyword arguments", "parameters", "params"), "parameters"),
    **dict.fromkeys(("raise", "raises", "exceptions"), "raises"),
    **dict.fromkeys(("reference", "references"), "references"),
    **dict.fromkeys(("return", "returns", "yields"), "returns"),
    "see also": "see also",
}
_FIELDS = {  # of reStructuredText, as in `:param name: what it is`
    **dict.fromkeys(("arg", "keyword", "param", "parameter", "type"), "parameters"),
    **dict.fromkeys(("exception", "raise", "raises"), "raises"),
    **dict.fromkeys(("return", "returns", "rtype", "yields"), "returns"),
}
_DIRECTIVES = {"note": "notes", "seealso": "see also"}
_BEGINNING = re.compile(
    r"""\s* (?: (?P<title>[A-Z][A-Za-z]*(?:\ [A-Za-z]+)?) :{0,2} | :(?P<field>[a-z]+)(?:\ [^:]*)?:(?:\ .*)?
    | \.\.\ (?P<directive>[\w-]+)::.* ) \s*""",
    re.VERBOSE,
)
MIN_CHARACTERS, MAX_CHARACTERS = 60, 320  # of a row; the rest of a longer beginning is cut off
ONE_IN = 5  # docstrings without any section is taken

Topics = tuple[str, list[str]]  # a text, and its labels


@dataclass(frozen=True)
class DocstringTopics(DocstringRows):
    """Beginnings of docstrings and the sections that follow. No two rows begin alike."""

    train_rows: int = 4000
    validation_rows: int = 800
    name: ClassVar[str] = "docstring_topics"
    made_of: ClassVar[str] = "docstrings"
    own_rows: ClassVar[str] = "multilabel_files"

    @property
    def target(self) -> Target:
        """The sections."""
        return SeveralLabels(TOPICS)

    def build(self, modules: Sequence[docstrings.Module]) -> Mapping[str, Sequence[Row]]:
        """A row of every docstring that has one."""
        return self.split_by_module(modules, _rows)


def _rows(modules: Iterable[docstrings.Module], seen: set[str]) -> Iterator[Row]:
    """Docstrings in turn that begin as none in `seen` does; of those without a section one in ONE_IN."""
    without = 0
    for module in modules:
        for docstring in module.docstrings:
            text, topics = beginning(docstring)
            start = text[:SAME_START].lower()
            if len(text) < MIN_CHARACTERS or start in seen:
                continue
            without += not topics
            if topics or without % ONE_IN == 0:
                seen.add(start)
                yield text, None, topics


def beginning(docstring: str) -> Topics:
    """What stands before a docstring's first section, on one line and cut after a word, and the sections it has."""
    lines, topics = docstring.split("\n"), set()
    end = len(lines)
    for number, line in enumerate(lines):
        found = _BEGINNING.fullmatch(line)
        if found is None:
            continue
        title, field, directive = (found[name] or "" for name in ("title", "field", "directive"))
        topic = _TITLES.get(title.lower()) or _FIELDS.get(field) or _DIRECTIVES.get(directive)
        topics |= {topic} if topic else set()
        if topic or directive:
            end = min(end, number)
    return cut_after_word(" ".join(" ".join(lines[:end]).split()), MAX_CHARACTERS), sorted(topics)
