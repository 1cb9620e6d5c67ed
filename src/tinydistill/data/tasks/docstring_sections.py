"""What docstrings say of parameters, errors and results, with the characters that say it.

Read are Google's style (sections with indented entries), numpy's (entries that aren't indented) and Sphinx' fields.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tinydistill.data.tasks.spans import Span

MAX_ANSWER = 120  # characters; what is longer isn't asked for

_FIELD = re.compile(r":param (?P<name>\w+): (?P<rest>\S.*)")
_SECTION = re.compile(r"(?P<name>[A-Z][a-z]+(?: [A-Z][a-z]+)?):?")
_ENTRY = re.compile(
    r"\*{0,2}(?P<name>[A-Za-z_][\w.]*)(?: \((?P<type>[^()]*(?:\([^()]*\)[^()]*)*)\))? ?:(?: (?P<rest>\S.*))?"
)
_SENTENCE_END = re.compile(r"(?<!e\.g)(?<!i\.e)[.;](?=\s|$)|:$")
_PARAMETERS, _RESULTS = ("Args", "Arguments", "Parameters"), ("Returns", "Yields")


class Line(NamedTuple):
    """A line's text without the blanks around it, how many were before it, and its characters in the docstring."""

    text: str
    indent: int
    start: int
    end: int


class Question(NamedTuple):
    """A question, the name that it is about (empty for results), and the characters that answer it."""

    text: str
    about: str
    span: Span


def questions(docstring: str) -> Iterator[Question]:
    """What can be asked about a docstring: types and meanings of parameters, when errors are raised, what is returned.

    An answer is a type, or the first sentence of a description, where that isn't too long.
    """
    lines, section, behind = _lines(docstring), "", 0
    for number, line in enumerate(lines):
        if number < behind:
            continue
        end = _end_of_block(lines, number + 1, line.indent + 1)
        if field := _FIELD.fullmatch(line.text):
            found = [(f"What is {field['name']}?", field["name"], line.start + field.start("rest"), lines[end - 1].end)]
        elif header := _SECTION.fullmatch(line.text):
            section, found = header["name"], []
            if section in _RESULTS and number + 1 < len(lines):
                last = _end_of_block(lines, number + 1, lines[number + 1].indent) - 1
                found = [("What is returned?", "", line.end, lines[last].end)]
        elif section in (*_PARAMETERS, "Raises") and (entry := _ENTRY.fullmatch(line.text)):
            found, behind = list(_of_entry(entry, line, lines[end - 1], error=section == "Raises")), end
        else:
            continue
        for text, about, start, stop in found:
            if (span := _first_sentence(docstring, start, stop)) is not None:
                yield Question(text, about, span)


def _of_entry(entry: re.Match[str], line: Line, last: Line, *, error: bool) -> Iterator[tuple[str, str, int, int]]:
    """Questions about an entry of a section, whose lines end with `last`, and the characters between which to look."""
    name, rest = entry["name"], line.start + entry.start("rest") if entry["rest"] else line.end
    if error:
        yield f"When is {name} raised?", name, rest, last.end
        return
    if entry["type"]:
        yield f"What type is {name}?", name, line.start + entry.start("type"), line.start + entry.end("type")
    elif line.indent == 0 and entry["rest"] and last is not line:  # numpy's: the type stands in the entry's line
        yield f"What type is {name}?", name, rest, line.end
        rest = line.end
    yield f"What is {name}?", name, rest, last.end


def _lines(docstring: str) -> list[Line]:
    found, start = [], 0
    for line in docstring.split("\n"):
        text, indent = line.strip(), len(line) - len(line.lstrip())
        found.append(Line(text, indent, start + indent, start + indent + len(text)))
        start += len(line) + 1
    return found


def _end_of_block(lines: Sequence[Line], first: int, indent: int) -> int:
    """The number behind the lines from one on that aren't empty and are indented by so much at least."""
    rest = range(first, len(lines))
    return next((number for number in rest if not lines[number].text or lines[number].indent < indent), len(lines))


def _first_sentence(docstring: str, start: int, end: int) -> Span | None:
    """The characters of the first sentence between two places; None where there is none, or a long one."""
    start += len(docstring[start:end]) - len(docstring[start:end].lstrip())
    if stop := _SENTENCE_END.search(docstring, start, end):
        end = stop.start()
    end = start + len(docstring[start:end].rstrip())
    return (start, end) if 1 < end - start <= MAX_ANSWER else None
