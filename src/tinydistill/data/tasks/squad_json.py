"""SQuAD's JSON, versions 1.1 and 2.0: articles of paragraphs, each a text and the questions about it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tinydistill.data.files import first_line, numbered_lines
from tinydistill.data.formats import shortened, whole_characters
from tinydistill.errors import InputError

Question = tuple[Any, Any, Any, Any]  # its id, itself, the text that it is about, its answers
_KINDS = {"list": "a list", "str": "a text"}


def whole_json(path: Path, encoding: str, *, argument: str, encoding_argument: str) -> Any:
    """What a file holds that is one JSON value; None where it isn't one, but maybe a value a line."""
    lines = numbered_lines(path, encoding, argument=argument, encoding_argument=encoding_argument)
    text = "".join(line for _, line in lines)
    try:
        return whole_characters(json.loads(text))
    except (ValueError, RecursionError) as error:
        first = text.lstrip().partition("\n")[0]
        if getattr(error, "msg", "") == "Extra data" or first.rstrip().endswith("}"):
            return None  # JSON lines, of which a bad one is named by its number
        raise InputError(f"{path} is not JSON ({first_line(error)})", f"check {argument}") from None


def flat(value: Any, column: str) -> list[Any] | None:
    """The rows of a list of objects, or of one under `data`, whose keys are columns; None for another shape."""
    if isinstance(value, list):
        return value
    rows = value.get("data") if isinstance(value, dict) else None
    return rows if isinstance(rows, list) and rows and isinstance(rows[0], dict) and column in rows[0] else None


def questions(path: Path, value: Any, *, argument: str) -> Iterator[Question]:
    """The questions of a file of this shape, with answers as lists of objects; None for what a question lacks.

    Raises InputError, which says where, for a file of another shape.
    """
    advice = f"check {argument}, which may also hold an object a line"

    def part(of: Any, key: str, kind: type, where: str, *, needed: bool = True) -> Any:
        if not isinstance(of, dict):
            raise InputError(f"{path}: {where} is {shortened(of)}, no object", advice)
        found = of.get(key)
        if found is None and not needed:
            return None
        if not isinstance(found, kind):
            there = f"whose '{key}' is {shortened(found)}" if key in of else f"which has no '{key}'"
            shown = ", ".join(of) or "none"
            other = f"has another shape than SQuAD's, where that is {_KINDS[kind.__name__]} (keys: {shown})"
            raise InputError(f"{path}: {where}, {there}, {other}", advice)
        return found

    for i, article in enumerate(part(value, "data", list, "the file")):
        for j, paragraph in enumerate(part(article, "paragraphs", list, f"data[{i}]")):
            where = f"data[{i}].paragraphs[{j}]"
            text = part(paragraph, "context", str, where)
            for k, question in enumerate(part(paragraph, "qas", list, where)):
                place = f"{where}.qas[{k}]"
                said = part(question, "question", str, place)
                answers = part(question, "answers", list, place, needed=False)
                number = question.get("id", place)
                if question.get("is_impossible"):
                    if answers:
                        raise InputError(
                            f"{path} question {number} has 'is_impossible', and answers", "leave out one of them"
                        )
                    answers = []
                yield number, said, text, answers
