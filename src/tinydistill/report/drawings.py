"""The layer mapping as a drawing: teacher on the left, student on the right, an arrow for every loss."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinydistill.report.plots import BLUE, ORANGE, figure

_GREEN = "#009E73"
_LEFT, _RIGHT, _HALF = 0.14, 0.86, 0.13  # the middles of both columns, and half the width of a box


@dataclass(frozen=True)
class MappingDrawing:
    """What is drawn: entry m − 1 of `mapping` is student layer m's teacher layer, or None.

    `teacher_layers` is None where the teacher's depth isn't known; `losses` are those on Transformer layers by name.
    """

    mapping: tuple[int | None, ...]
    teacher_layers: int | None
    losses: tuple[str, ...]
    embedding: bool
    prediction: bool


def draw(file: Path, drawn: MappingDrawing) -> None:
    """Write the drawing: embeddings at the foot, the prediction layer at the head."""
    reached = [n for n in drawn.mapping if n is not None]
    depth, students = drawn.teacher_layers or max(reached), len(drawn.mapping)
    top = depth + 1.0
    step = top / (students + 1)
    with figure(file, (5.4, min(7.5, 1.4 + 0.36 * (depth + 2)))) as fig:
        axes = fig.add_subplot()
        axes.axis("off")
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.7, top + 1.1)
        left = {n: float(n) for n in range(depth + 1)} | {depth + 1: top}
        right = {m: m * step for m in range(students + 1)} | {students + 1: top}
        more = "" if drawn.teacher_layers else " (at least)"
        axes.text(_LEFT, top + 0.85, f"teacher, {depth} layers{more}", ha="center", va="center", weight="bold")
        axes.text(_RIGHT, top + 0.85, f"student, {students} layers", ha="center", va="center", weight="bold")
        learning = [m for m, n in enumerate(drawn.mapping, start=1) if n is not None]
        for x, places, layers in ((_LEFT, left, reached), (_RIGHT, right, learning)):
            last = len(places) - 1
            used = {*layers, *([0] if drawn.embedding else []), *([last] if drawn.prediction else [])}
            for number, y in places.items():
                name = "embeddings" if number == 0 else "prediction" if number == last else f"layer {number}"
                _box(axes, x, y, name, number in used)
        if drawn.embedding:
            _arrow(axes, left[0], right[0], ORANGE, "embedding")
        named = " and ".join(drawn.losses) or "no loss"
        for m, n in enumerate(drawn.mapping, start=1):
            if n is not None and drawn.losses:
                _arrow(axes, left[n], right[m], BLUE, named if m == students else "")
        if drawn.prediction:
            _arrow(axes, top, top, _GREEN, "prediction")


def _box(axes: Any, x: float, y: float, name: str, used: bool) -> None:
    from matplotlib.patches import FancyBboxPatch

    face, edge, text = ("#E8F1F8", BLUE, "black") if used else ("#F4F4F4", "#BBBBBB", "#777777")
    place, height = (x - _HALF, y - 0.3), 0.6
    box = FancyBboxPatch(
        place, 2 * _HALF, height, boxstyle="round,pad=0,rounding_size=0.02", facecolor=face, edgecolor=edge, zorder=3
    )
    axes.add_patch(box)
    axes.text(x, y, name, ha="center", va="center", color=text, fontsize=9.5, zorder=4)


def _arrow(axes: Any, start: float, end: float, color: str, name: str) -> None:
    arrow = {"arrowstyle": "-|>", "color": color, "linewidth": 1.8, "shrinkA": 2, "shrinkB": 2}
    axes.annotate("", xy=(_RIGHT - _HALF, end), xytext=(_LEFT + _HALF, start), arrowprops=arrow, zorder=2)
    if name:
        back = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
        axes.text(
            0.5, (start + end) / 2, name, ha="center", va="center", color=color, fontsize=9.5, bbox=back, zorder=5
        )
