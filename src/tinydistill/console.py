"""What the user sees: plain lines and tables, in colour only on a terminal, from the leading process."""

import sys
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tinydistill.ranks import rank

_console = Console(width=None if sys.stdout.isatty() else 120, highlight=False, soft_wrap=True, quiet=rank() != 0)


def say(line: str = "") -> None:
    """One line of plain text."""
    _console.print(line, markup=False)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, words: int = 1) -> None:
    """A table; the first columns are words, the others are figures."""
    _console.print(title, style="bold", markup=False)
    drawn = Table(box=SIMPLE_HEAD, pad_edge=False)
    for i, column in enumerate(columns):
        drawn.add_column(column, justify="left" if i < words else "right", no_wrap=True)
    for row in rows:
        drawn.add_row(*[f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row])
    _console.print(drawn)


def count(number: float) -> str:
    """A number as 950, 7.3 k, 22.7 M or 1.5 G."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.1f} {letter}"
    return f"{number:.0f}"


def duration(seconds: float) -> str:
    """Seconds as 7s, 3:05 or 2:03:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{rest:02d}"
    return f"{minutes}:{rest:02d}" if minutes else f"{rest}s"
