"""The answers to a question as a row gives them, in any of several forms, and where its text has them."""

from typing import Any

from tinydistill.data.formats import shortened
from tinydistill.data.tasks.lists import as_python
from tinydistill.data.tasks.spans import Span
from tinydistill.data.tasks.targets import FIX_ROW, as_number
from tinydistill.errors import InputError

Given = tuple[str, int | None]  # an answer, and where it starts if that is known


def given_answers(value: Any, start: Any, where: str, column: str) -> list[Given] | None:
    """The answers of a row, in whichever form it has them, without empty ones; None where it has nothing at all.

    Raises InputError for what is no answer.
    """
    value = as_python(value)
    if value is None:
        return None
    texts, starts = value, as_python(start)
    if isinstance(value, dict):
        texts, starts = as_python(value.get("text")), as_python(value.get("answer_start"))
    elif isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        texts, starts = [one.get("text") for one in value], [one.get("answer_start") for one in value]
    if isinstance(texts, str):
        texts, starts = [texts], [starts]
    if starts is None and isinstance(texts, list):
        starts = [None] * len(texts)
    if not isinstance(texts, list) or not all(text is None or isinstance(text, str) for text in texts):
        raise InputError(
            f"{where}: column '{column}' holds {shortened(value)}, which is no answer, nor a list of answers",
            "give a text, a list of texts, or {text: [...], answer_start: [...]}",
        )
    if not isinstance(starts, list) or len(starts) != len(texts):
        raise InputError(f"{where}: {len(texts)} answers start at {shortened(starts)}", FIX_ROW)
    return [(text, _start(at, where)) for text, at in zip(texts, starts, strict=True) if text and text.strip()]


def _start(value: Any, where: str) -> int | None:
    if value is None or value == "" or value != value:  # nan
        return None
    number = as_number(value)
    if number is None or not number.is_integer() or number < 0:
        raise InputError(f"{where}: an answer starts at {shortened(value)}, which is no whole number from 0", FIX_ROW)
    return int(number)


def span_of(answer: str, start: int | None, text: str, where: str) -> Span:
    """Where a text has an answer, less the blanks around it. Raises InputError where it hasn't, or not there."""
    stripped = answer.strip()
    found = text.find(stripped)
    if found < 0:
        raise InputError(f"{where}: the answer {shortened(answer)} isn't in its context", FIX_ROW)
    if start is None:
        return found, found + len(stripped)
    if (there := text[start : start + len(answer)]) != answer:
        stands = f"where {shortened(there)} stands" if there else "which ends before"
        raise InputError(
            f"{where}: the answer {shortened(answer)} doesn't start at character {start} of its context, {stands}, but "
            f"at {found}",
            FIX_ROW,
        )
    start += len(answer) - len(answer.lstrip())
    return start, start + len(stripped)
