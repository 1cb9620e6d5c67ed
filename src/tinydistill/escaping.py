"""Texts of others (labels, columns, rows, paths, names) where they could be taken for something else.

HTML has the standard library's `html.escape`, and reports are Markdown before they are HTML.
"""

import re
from typing import Any

# Control characters, line separators, half characters, and what turns the direction of text around.
_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~&$])")
_FORMULA = re.compile("'*[=+\\-@\t\n\uff1d\uff0b\uff0d\uff20]")  # the wide ones too


def for_terminal(text: str) -> str:
    r"""One line in which what a terminal would obey is spelled out: an escape character is `\x1b`, a line end `\n`."""
    return _INVISIBLE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def for_markdown(text: str) -> str:
    """A text that Markdown shows as it is, in one line, in a table too."""
    return _MARKDOWN.sub(r"\\\1", for_terminal(" ".join(text.split())))


def for_spreadsheet(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: behind an apostrophe, unless it is a number."""
    text = text.replace("\r", "\\r")  # Python's csv leaves it unquoted, and spreadsheets begin a row there
    return f"'{text}" if _FORMULA.match(text) and not _is_number(text) else text


def spreadsheet_cell(value: Any) -> Any:
    """A text as `for_spreadsheet` has it, anything else as it is."""
    return for_spreadsheet(value) if isinstance(value, str) else value


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text, re.ASCII) is not None
