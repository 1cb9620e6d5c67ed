"""Markdown that model cards and reports are made of."""

import re
from collections.abc import Sequence

from tinydistill.escaping import for_terminal


def code(text: str) -> str:
    """A text as code, in a table too."""
    line = for_terminal(" ".join(text.split()))
    fence = "`" * (max(map(len, re.findall("`+", line)), default=0) + 1)
    space = " " if "`" in line else ""
    return f"{fence}{space}{line}{space}{fence}".replace("|", "\\|")


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, words: int = 1, notes: int = 0) -> str:
    """A table of cells that are Markdown: words, figures (to the right), and notes in the last columns."""
    rule = ["---"] * words + ["---:"] * (len(columns) - words - notes) + ["---"] * notes
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in (columns, rule, *rows))


def cell(value: float | None, form: str = "{:.3f}") -> str:
    """A figure in a table, - where there is none."""
    return "-" if value is None else form.format(value)
