"""An embedded task of tags: which words of a docstring does its author mark as code, and which as a reference?

In reStructuredText ``None`` and `axis` are code, :class:`~torch.Tensor` is a reference. The marks are taken away; what
is left to tell them by is the word and its context. Made of what is installed, so it needs no download; it shows that
tagging works, and says little about named entities in prose.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from tinydistill.data.tasks.docstring_rows import DocstringRows, Row
from tinydistill.data.tasks.tags import OUTSIDE, Tags
from tinydistill.data.tasks.targets import Target
from tinydistill.data.text import docstrings

TAGS = (OUTSIDE, "B-code", "I-code", "B-reference", "I-reference")
_MARKED = re.compile(
    r"""(?<![\w`]) (?P<role> :[\w:-]+: (?=`[^`]))?
    (?: ``(?P<literal>[^`\n]{1,60})`` | `(?P<name>[^`\n]{1,60})` ) (?![\w`])""",
    re.VERBOSE,
)
_PIECE = re.compile(r"\w+|[^\w\s]+")  # words and runs of punctuation, as in CoNLL files
MIN_WORDS, MAX_WORDS = 8, 48  # of a row

Tagged = tuple[list[str], list[str]]  # words, and as many tags


@dataclass(frozen=True)
class DocstringTags(DocstringRows):
    """Paragraphs of docstrings with something marked."""

    train_rows: int = 3000
    validation_rows: int = 600
    name: ClassVar[str] = "docstring_tags"
    made_of: ClassVar[str] = "paragraphs"
    own_rows: ClassVar[str] = "tag_files"

    @property
    def target(self) -> Target:
        """Code and references, in IOB2."""
        return Tags(TAGS)

    def build(self, modules: Sequence[docstrings.Module]) -> Mapping[str, Sequence[Row]]:
        """A row of every docstring that has one."""
        return self.split_by_module(modules, _rows)


def _rows(modules: Iterable[docstrings.Module], seen: set[str]) -> Iterator[Row]:
    """A paragraph of every docstring in turn, with a mark and a word that has none, which `seen` doesn't hold yet."""
    for module in modules:
        for docstring in module.docstrings:
            for paragraph in docstring.split("\n\n"):
                words, tags = tagged(" ".join(paragraph.split()))
                text = " ".join(words)
                if MIN_WORDS <= len(words) <= MAX_WORDS and len(set(tags)) > 1 and text not in seen:
                    seen.add(text)
                    yield text, None, tags
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
