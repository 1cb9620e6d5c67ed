"""The layer mapping as a drawing: teacher on the left, student on the right, an arrow for every loss."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinydistill.report.plots import BLUE, ORANGE, figure

_GREEN = "#009E73"
_LEFT, _RIGHT, _HALF = 0.14, 0.86, 0.13  # the middles of both columns, and half the width of a box


def draw(
    file: Path, mapping: Sequence[int | None], losses: Sequence[str], *, teacher_layers: int | None, prediction: bool
) -> None:
    """Draw embeddings at the foot, the prediction layer at the head, and losses by their names.

    All but `embedding` are on Transformer layers, `prediction` says whether the student learned from the teacher's
    predictions too. `teacher_layers` is None where the teacher's depth isn't known.
    """
    reached = [n for n in mapping if n is not None]
    depth, students = teacher_layers or max(reached), len(mapping)
    embedding, on_layers = "embedding" in losses, [name for name in losses if name != "embedding"]
    top = depth + 1.0
    with figure(file, (5.4, min(7.5, 1.4 + 0.36 * (depth + 2)))) as fig:
        axes = fig.add_subplot()
        axes.axis("off")
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.7, top + 1.1)
        left = {n: float(n) for n in range(depth + 1)} | {depth + 1: top}
        right = {m: m * top / (students + 1) for m in range(students + 2)}
        more = "" if teacher_layers else " (at least)"
        axes.text(_LEFT, top + 0.85, f"teacher, {depth} layers{more}", ha="center", va="center", weight="bold")
        axes.text(_RIGHT, top + 0.85, f"student, {students} layers", ha="center", va="center", weight="bold")
        learning = [m for m, n in enumerate(mapping, start=1) if n is not None]
        for x, places, layers in ((_LEFT, left, reached), (_RIGHT, right, learning)):
            last = len(places) - 1
            used = {*layers, *([0] if embedding else []), *([last] if prediction else [])}
            for number, y in places.items():
                name = "embeddings" if number == 0 else "prediction" if number == last else f"layer {number}"
                _box(axes, x, y, name, number in used)
        if embedding:
            _arrow(axes, left[0], right[0], ORANGE, "embedding")
        named = " and ".join(on_layers)
        for m, n in enumerate(mapping, start=1):
            if n is not None and on_layers:
                _arrow(axes, left[n], right[m], BLUE, named if m == students else "")
        if prediction:
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
