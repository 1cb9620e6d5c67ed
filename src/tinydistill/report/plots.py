"""Plots, each a PNG of one panel: the same model has the same color in all of them.

Colors are those of Okabe and Ito, which the color-blind tell apart too; what they say is also said by marker or line.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tinydistill.export.exported import PYTORCH, RUNTIMES
from tinydistill.report.shipped import Model

Point = tuple[str, str, Model]
"""Of a plot of models: its label, its color, and what has a score, a size and perhaps a latency."""
GREY, ORANGE, BLUE = "#404040", "#D98200", "#0072B2"
OTHERS = (BLUE, "#009E73", "#B8548C", "#C44A00", "#3A93C8", "#8A7A00")
"""Of distilled students, in their order."""
DPI = 150
_MARKERS = {PYTORCH: "o", RUNTIMES["onnx"]: "s", RUNTIMES["onnx_int8"]: "D", RUNTIMES["openvino"]: "^"}
_PANEL = (5.4, 3.7)  # inches
_FEW = 2  # lines with a legend among them, and with their noise
_SPAN = 0.05  # of a score: smaller differences don't fill a plot
_STYLE: Any = {
    "font.size": 10.5,
    "axes.titlesize": 11.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "text.parse_math": False,
    "savefig.facecolor": "white",
}


@contextmanager
def figure(file: Path, size: tuple[float, float]) -> Iterator[Any]:
    """An empty figure of so many inches, written to a PNG at the end; without a display."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells that it looks for fonts
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        fig = Figure(figsize=size, layout="constrained")
        yield fig
        file.parent.mkdir(parents=True, exist_ok=True)
        fig.savefig(file, dpi=DPI, metadata={"Software": None})


@contextmanager
def panel(file: Path, title: str, size: tuple[float, float] = _PANEL) -> Iterator[Any]:
    """One pair of axes, written to a PNG at the end; without a display."""
    with figure(file, size) as fig:
        axes = fig.add_subplot()
        axes.set_title(title)
        yield axes


def trade_off(file: Path, title: str, points: Sequence[Point], score_name: str, latency_name: str) -> None:
    """Score against latency, or against size where no latency was measured; the area of a point is its size."""
    timed = all(model.latency_ms is not None for *_, model in points)
    largest = max(model.megabytes or 0.0 for *_, model in points)
    with panel(file, title, (5.4, 3.3 + 0.21 * len(points))) as axes:
        for label, color, model in points:
            size = model.megabytes or 0.0
            axes.scatter(
                model.latency_ms if timed else size,
                model.score,
                s=30 + 400 * size / largest,
                marker=_MARKERS[model.runtime],
                color=color,
                alpha=0.8,
                linewidths=0,
                label=f"{label}, {size:.1f} MB",
            )
        axes.margins(x=0.15, y=0.2)
        _widen(axes)
        if timed:
            axes.set_xscale("log")
            _plain_ticks(axes.xaxis)
        else:
            axes.set_xlim(0, 1.15 * largest)
        axes.set_xlabel(latency_name if timed else "MB of weights")
        axes.set_ylabel(score_name)
        legend = axes.figure.legend(loc="outside lower left")
        for handle in legend.legend_handles:
            handle.set_sizes([45])


@dataclass(frozen=True)
class Line:
    """One line of a plot: noisy ones are drawn faintly, their running mean in full."""

    label: str
    color: str
    points: pd.Series  # by optimizer steps
    dashed: bool = False
    noisy: bool = False
    marked: bool = False


def lines(
    file: Path,
    title: str,
    drawn: Sequence[Line],
    name: str,
    *,
    log: bool = False,
    score: bool = False,
    teacher: float | None = None,
) -> None:
    """Something over the optimizer steps. `teacher` is the value to compare with."""
    with panel(file, title) as axes:
        for line in drawn:
            style: Any = {"color": line.color, "linestyle": "--" if line.dashed else "-", "linewidth": 1.8}
            if line.noisy and len(line.points) > 20:
                if len(drawn) <= _FEW:
                    axes.plot(line.points, color=line.color, alpha=0.25, linewidth=0.8)
                window = max(3, len(line.points) // 25)
                axes.plot(line.points.rolling(window, center=True, min_periods=1).mean(), label=line.label, **style)
            else:
                style["marker"] = "o" if line.marked or len(line.points) == 1 else None
                axes.plot(line.points, label=line.label, markersize=4.5, **style)
        if teacher is not None:
            axes.axhline(teacher, color=GREY, linewidth=1.2, linestyle=":", label=f"teacher, {teacher:.3f}")
        if log:
            axes.set_yscale("log")
            _plain_ticks(axes.yaxis)
        if score:
            _widen(axes)
        axes.set_xlabel("optimizer steps")
        axes.set_ylabel(name)
        longest = max(len(line.label) for line in drawn)
        if len(drawn) <= _FEW and longest < 30:
            axes.legend()
        else:
            axes.figure.legend(loc="outside lower left", ncols=4 if longest < 15 else 1)


def _widen(axes: Any) -> None:
    """Widen the vertical axis so that small differences of a score look small."""
    low, high = axes.get_ylim()
    middle, half = (low + high) / 2, max(high - low, _SPAN) / 2
    axes.set_ylim(middle - half, middle + half)


def _plain_ticks(axis: Any) -> None:
    """Mark a logarithmic axis at 1, 2 and 5, written as plain numbers."""
    from matplotlib.ticker import LogLocator

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter("")


def unexplained(file: Path, title: str, rows: Sequence[Mapping[str, Any]], color: str) -> None:
    """Unexplained variance of every loss before and after training, and the floor of a student so wide."""
    table = pd.DataFrame(rows, columns=["unexplained_before", "unexplained", "floor"], dtype=float)
    before, after, floor = (table[name] for name in table)
    with panel(file, title, (5.4, 1.6 + 0.31 * len(rows))) as axes:
        axes.hlines(table.index, before, after, color=color, alpha=0.35, linewidth=2.5, zorder=1)
        for values, name, style in (
            (before, "before", {"marker": "o", "color": "white", "markeredgecolor": color}),
            (after, "after", {"marker": "o", "color": color}),
            (floor, "floor", {"marker": "|", "color": GREY, "markersize": 13, "markeredgewidth": 2}),
        ):
            if values.notna().any():
                axes.plot(values, table.index, linestyle="", label=name, **style)
        axes.axvline(1, color=GREY, linewidth=1.2, linestyle=":", label="guessing the mean")
        names = [f"{row['loss']} {row['student_layer']} ← {row['teacher_layer']}" for row in rows]
        axes.set_yticks(range(len(rows)), names)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        if table.max(axis=None) > 1.2:
            axes.set_xscale("log")
            _plain_ticks(axes.xaxis)
        else:
            axes.set_xlim(0, 1.05)
        axes.set_xlabel("unexplained variance")
        axes.figure.legend(loc="outside lower left", ncols=4, columnspacing=1.2, handletextpad=0.5)
