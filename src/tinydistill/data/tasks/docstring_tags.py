"""An embedded task of tags: which words of a docstring does its author mark as code, and which as a reference?

In reStructuredText ``None`` and `axis` are code, :class:`~torch.Tensor` is a reference. The marks are taken away; what
is left to tell them by is the word and its context. Made of what is installed, so it needs no download; it shows that
tagging works, and says little about named entities in prose.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tinydistill.artifacts.files import built_once, digest, read_json, write_json
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.data.tasks.table import Table
from tinydistill.data.tasks.tags import OUTSIDE, Tags
from tinydistill.data.tasks.targets import Target
from tinydistill.data.text import docstrings
from tinydistill.errors import InputError

FORMAT = 1  # part of the cache key: raise it when the same docstrings give other rows
TAGS = (OUTSIDE, "B-code", "I-code", "B-reference", "I-reference")
_MARKED = re.compile(
    r"""(?<![\w`]) (?P<role> :[\w:-]+: (?=`[^`]))?
    (?: ``(?P<literal>[^`\n]{1,60})`` | `(?P<name>[^`\n]{1,60})` ) (?![\w`])""",
    re.VERBOSE,
)
_PIECE = re.compile(r"\w+|[^\w\s]+")  # words and runs of punctuation, as in CoNLL files
MEGABYTES = 9.0  # of docstrings that are read; equal shares of all that are installed
MIN_WORDS, MAX_WORDS = 8, 48  # of a row
ONE_IN = 5  # modules is for validation

Tagged = tuple[list[str], list[str]]  # words, and as many tags


@dataclass(frozen=True)
class DocstringTags(TaskSource):
    """Paragraphs of docstrings with something marked, a function of the installed versions.

    Modules are split, not rows: all rows of a module are on one side, and no paragraph comes twice.

    Args:
        cache_dir: where the rows are kept; reading the docstrings takes some ten seconds.
        train_rows: at most.
        validation_rows: exactly.
    """

    cache_dir: str | Path
    train_rows: int = 3000
    validation_rows: int = 600

    @property
    def target(self) -> Target:
        """Code and references, in IOB2."""
        return Tags(TAGS)

    def train(self) -> Split:
        """Rows of the modules that validation doesn't use."""
        return self._split("train")

    def validation(self) -> dict[str, Split]:
        """Rows of one module in five."""
        return {"validation": self._split("validation")}

    def _split(self, name: str) -> Split:
        settings = [FORMAT, docstrings.versions(), self.train_rows, self.validation_rows]
        entry = built_once(Path(self.cache_dir) / f"docstring-tags-{digest(settings)}", self._build)
        rows = read_json(entry / f"{name}.json")
        table = Table(name, texts=rows["texts"], labels=[tags.split(" ") for tags in rows["tags"]])
        return Split(name, table.texts, labels=self.target.encode(table, "tags"))

    def _build(self, directory: Path) -> None:
        modules = list(docstrings.read_modules(MEGABYTES))
        sides = {"train": [m for n, m in enumerate(modules) if n % ONE_IN], "validation": modules[::ONE_IN]}
        seen: set[str] = set()
        for name, wanted in (("validation", self.validation_rows), ("train", self.train_rows)):
            rows = list(islice(_rows(sides[name], seen), wanted))
            if len(rows) < (wanted if name == "validation" else 1):
                raise InputError(
                    f"the docstring_tags task needs {wanted} paragraphs for {name}; there are {len(rows)}",
                    "lower {DocstringTags.validation_rows}, or take your own rows with {task:tag_files} and "
                    "{TaskFiles.train}",
                )
            texts, tags = ([" ".join(row[place]) for row in rows] for place in (0, 1))
            write_json(directory / f"{name}.json", {"texts": texts, "tags": tags})


def _rows(modules: Iterable[docstrings.Module], seen: set[str]) -> Iterator[Tagged]:
    """A paragraph of every docstring in turn, with a mark and a word that has none, which `seen` doesn't hold yet."""
    for module in modules:
        for docstring in module.docstrings:
            for paragraph in docstring.split("\n\n"):
                words, tags = tagged(" ".join(paragraph.split()))
                text = " ".join(words)
                if MIN_WORDS <= len(words) <= MAX_WORDS and len(set(tags)) > 1 and text not in seen:
                    seen.add(text)
                    yield words, tags
                    break


def tagged(text: str) -> Tagged:
    """A text's words without its marks, and their tags."""
    words: list[str] = []
    tags: list[str] = []
    end = 0
    for mark in _MARKED.finditer(text):
        _add(words, tags, text[end : mark.start()], "")
        name = mark["literal"] or mark["name"]
        if mark["role"]:  # `text <target>`, `~module.name` stands for its last part
            name = re.sub(r"\s*<[^>]*>$", "", name.removeprefix("!"))
            name = name.rpartition(".")[2] if name.startswith("~") else name
        _add(words, tags, name, "reference" if mark["role"] else "code")
        end = mark.end()
    _add(words, tags, text[end:], "")
    return words, tags


def _add(words: list[str], tags: list[str], text: str, kind: str) -> None:
    pieces = _PIECE.findall(text)
    words += pieces
    tags += [(f"{'I' if place else 'B'}-{kind}" if kind else OUTSIDE) for place in range(len(pieces))]
