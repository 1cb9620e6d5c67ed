"""An embedded task of several labels: by how a docstring begins, which sections does its author write below?

A text is what stands before the first section: the summary and what explains it. The labels are the sections that
follow, of which nothing is shown; what a function does, and how its library writes, is left to tell them by. Made of
what is installed, so it needs no download; it shows that several labels work, and says little about topics in prose.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tinydistill.artifacts.files import built_once, digest, read_json, write_json
from tinydistill.data.tasks.docstrings import SAME_START
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.several_labels import SeveralLabels
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.data.tasks.table import Table
from tinydistill.data.tasks.targets import Target
from tinydistill.data.text import docstrings
from tinydistill.errors import InputError

FORMAT = 1  # part of the cache key: raise it when the same docstrings give other rows
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
MEGABYTES = 9.0  # of docstrings that are read; equal shares of all that are installed
MIN_CHARACTERS, MAX_CHARACTERS = 60, 320  # of a row; the rest of a longer beginning is cut off
ONE_IN = 5  # modules is for validation, and docstrings without any section is taken

Topics = tuple[str, list[str]]  # a text, and its labels


@dataclass(frozen=True)
class DocstringTopics(TaskSource):
    """Beginnings of docstrings and the sections that follow, a function of the installed versions.

    Modules are split, not rows: all rows of a module are on one side, and no two rows begin alike.

    Args:
        cache_dir: where the rows are kept; reading the docstrings takes some ten seconds.
        train_rows: at most.
        validation_rows: exactly.
    """

    cache_dir: str | Path
    train_rows: int = 4000
    validation_rows: int = 800

    @property
    def target(self) -> Target:
        """The sections."""
        return SeveralLabels(TOPICS)

    def train(self) -> Split:
        """Rows of the modules that validation doesn't use."""
        return self._split("train")

    def validation(self) -> dict[str, Split]:
        """Rows of one module in five."""
        return {"validation": self._split("validation")}

    def _split(self, name: str) -> Split:
        settings = [FORMAT, docstrings.versions(), self.train_rows, self.validation_rows]
        entry = built_once(Path(self.cache_dir) / f"docstring-topics-{digest(settings)}", self._build)
        rows = read_json(entry / f"{name}.json")
        table = Table(name, texts=rows["texts"], labels=rows["topics"])
        return Split(name, table.texts, labels=self.target.encode(table, "topics"))

    def _build(self, directory: Path) -> None:
        modules = list(docstrings.read_modules(MEGABYTES))
        sides = {"train": [m for n, m in enumerate(modules) if n % ONE_IN], "validation": modules[::ONE_IN]}
        seen: set[str] = set()
        for name, wanted in (("validation", self.validation_rows), ("train", self.train_rows)):
            rows = list(islice(_rows(sides[name], seen), wanted))
            if len(rows) < (wanted if name == "validation" else 1):
                raise InputError(
                    f"the docstring_topics task needs {wanted} docstrings for {name}; there are {len(rows)}",
                    "lower {DocstringTopics.validation_rows}, or take your own rows with {task:multilabel_files} and "
                    "{TaskFiles.train}",
                )
            texts, topics = ([row[place] for row in rows] for place in (0, 1))
            write_json(directory / f"{name}.json", {"texts": texts, "topics": topics})


def _rows(modules: Iterable[docstrings.Module], seen: set[str]) -> Iterator[Topics]:
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
                yield text, topics


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
    text = " ".join(" ".join(lines[:end]).split())
    text = text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS].rsplit(" ", 1)[0]
    return text, sorted(topics)
