"""What the user sees: plain lines and tables, in color only on a terminal, from the leading process."""

import sys
import time
from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from tinydistill import signals
from tinydistill.escaping import for_terminal
from tinydistill.ranks import rank


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Stop where the run can go on; rich would end it with code 1."""
        signals.broken_pipe()


_console = _Console(
    width=None if sys.stdout.isatty() else 120, highlight=False, soft_wrap=True, markup=False, quiet=rank() != 0
)


def say(line: str = "") -> None:
    """One line of plain text, whatever is in it."""
    _console.print(for_terminal(line))


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, words: int = 1) -> None:
    """A table; the first columns are words, the others are figures, - where there is none.

    Where it is too wide, words go on in a further line, and figures are whole.
    """
    _console.print(for_terminal(title), style="bold")
    drawn = Table(box=SIMPLE_HEAD, pad_edge=False)
    for i, column in enumerate(columns):
        justify: Any = "left" if i < words else "right"
        drawn.add_column(for_terminal(column), justify=justify, no_wrap=i >= words, overflow="fold")
    for row in rows:
        cells = ["-" if x is None else f"{x:.3f}" if isinstance(x, float) else str(x) for x in row]
        drawn.add_row(*map(for_terminal, cells))
    _console.print(drawn)


LINE_EVERY = 15.0  # seconds between plain lines
_FIRST_AFTER = 5.0  # seconds in which nothing is shown: most pieces of work are done by then


class Meter:
    """How far a piece of work is, and the time left: a bar on a terminal, elsewhere a line now and then.

    Nothing is shown of what takes less than five seconds. Without a `total` there is no time left.
    """

    def __init__(self, what: str, unit: str, total: int | None = None, *, shown: bool = True):
        self.what, self.unit, self.total = what, unit, total
        self.shown = shown and rank() == 0
        self.done = 0
        self._first_time = self._last_time = time.monotonic()
        self._next = _FIRST_AFTER
        terminal = self.shown and sys.stderr.isatty()
        scaled = total is None or total > 10_000
        options = {"unit_scale": scaled, "delay": _FIRST_AFTER, "dynamic_ncols": True, "leave": False}
        self._bar = tqdm(desc=what, unit=unit, total=total, **options) if terminal else None

    def __enter__(self) -> "Meter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def update(self, amount: int = 1) -> None:
        """Counts what is done."""
        self.done += amount
        if self._bar is not None:
            self._bar.update(amount)
            return
        now = time.monotonic()
        if not self.shown or now - self._last_time < self._next or self.done == self.total:
            return
        self._last_time, self._next = now, LINE_EVERY
        speed = self.done / (now - self._first_time)
        if self.total is None:
            line = f"{count(self.done)} {_several(self.unit)}"
        else:
            left = duration((self.total - self.done) / speed)
            line = f"{self.done:,} of {self.total:,} {_several(self.unit)}  {left} left"
        say(f"{self.what}: {line}")

    def close(self) -> None:
        """Clears the bar."""
        if self._bar is not None:
            self._bar.close()


def _several(unit: str) -> str:
    return f"{unit}es" if unit.endswith("ch") else f"{unit}s"


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
