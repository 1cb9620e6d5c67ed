"""The figures of the documentation.

    python docs/figures/draw.py [outputs/pipeline/NAME/result.json]

The first three show how the method works, by the package's own mappings; the fourth draws the first tables of
docs/results.md; the last, of README.md, is drawn of a finished pipeline: its table of models.
"""

import json
import re
import sys
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch

from tinydistill.distillation import mapping

HERE = Path(__file__).parent
TEACHER, STUDENT, LINE = "#3f51b5", "#00897b", "#757575"
plt.rcParams.update(
    {"font.size": 10, "svg.fonttype": "none", "svg.hashsalt": "tinydistill", "font.family": "sans-serif"}
)


def canvas(width: float, height: float) -> Axes:
    """Empty, of so many inches."""
    _, axes = plt.subplots(figsize=(width, height))
    axes.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    axes.axis("off")
    return axes


def save(axes: Axes, name: str) -> None:
    """As NAME.svg beside this file."""
    axes.figure.savefig(HERE / f"{name}.svg", bbox_inches="tight", facecolor="white", metadata={"Date": None})
    plt.close("all")


def box(axes: Axes, x: float, y: float, width: float, text: str, color: str, *, height: float = 0.36) -> None:
    """A box centered at x, y."""
    corner = (x - width / 2, y - height / 2)
    style = "round,pad=0,rounding_size=0.08"
    axes.add_patch(FancyBboxPatch(corner, width, height, boxstyle=style, facecolor=color, edgecolor="none"))
    axes.text(x, y, text, ha="center", va="center", color="white")


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], text: str = "", color: str = LINE) -> None:
    """From start to end, its text above."""
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": color, "shrinkA": 0, "shrinkB": 0})
    if text:
        x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
        axes.text(x, y + 0.08, text, ha="center", va="bottom", color=color, fontsize=9)


def draw_layers(student_layers: int = 4, teacher_layers: int = 12) -> None:
    """What is compared: embeddings, mapped layers, logits."""
    axes = canvas(9, 7.4)
    left, right, width = 2.0, 7.0, 2.2
    top = teacher_layers + 1
    heights = {n: 0.3 + 0.5 * n for n in range(top + 1)}
    for n, y in heights.items():
        name = "embeddings" if n == 0 else "prediction" if n == top else f"layer {n}"
        box(axes, left, y, width, name, TEACHER)
    pairs = mapping.pairs(mapping.uniform(student_layers, teacher_layers))
    for m, n in [(0, 0), *pairs, (student_layers + 1, top)]:
        name = "embeddings" if n == 0 else "prediction" if n == top else f"layer {m}"
        loss = "embedding output" if n == 0 else "logits" if n == top else "hidden states, attention scores"
        box(axes, right, heights[n], width, name, STUDENT)
        arrow(axes, (left + width / 2 + 0.05, heights[n]), (right - width / 2 - 0.05, heights[n]), loss)
    axes.text(left, heights[top] + 0.4, "teacher (frozen)", ha="center", weight="bold", color=TEACHER)
    axes.text(right, heights[top] + 0.4, "student (learns)", ha="center", weight="bold", color=STUDENT)
    save(axes, "layers")


def draw_stages() -> None:
    """Which stage takes what."""
    axes = canvas(9.6, 3.4)
    rows, stage = "#8d6e63", LINE
    for y, given, made_by in ((3.0, "rows of the task", "augment"), (1.8, "pre-trained teacher", "finetune")):
        box(axes, 1.2, y, 2.1, given, rows if "rows" in given else TEACHER)
        box(axes, 4.0, y, 1.5, made_by, stage)
    box(axes, 1.2, 0.6, 2.1, "plain text (optional)", rows)
    box(axes, 4.0, 0.6, 1.5, "general", stage)
    box(axes, 6.3, 1.8, 1.5, "task", stage)
    box(axes, 8.6, 1.8, 1.6, "small model", STUDENT)
    for y in (3.0, 1.8, 0.6):
        arrow(axes, (2.3, y), (3.2, y))
    arrow(axes, (2.3, 2.85), (3.2, 1.95))
    arrow(axes, (2.3, 1.65), (3.2, 0.75))
    arrow(axes, (4.8, 3.0), (6.2, 2.03))
    arrow(axes, (4.8, 1.8), (5.5, 1.8))
    arrow(axes, (4.8, 0.6), (6.2, 1.57))
    arrow(axes, (7.1, 1.8), (7.75, 1.8))
    for y, text in ((1.45, "1 solved in closed form"), (1.2, "2 layers"), (0.95, "3 logits")):
        axes.text(6.45, y, text, fontsize=9, color=LINE)
    axes.text(8.6, 2.15, "evaluate, export, report", ha="center", fontsize=9, color=LINE)
    save(axes, "stages")


def draw_mappings(student_layers: int = 4, teacher_layers: int = 12) -> None:
    """Which teacher layers the rules choose."""
    rules = {"uniform": mapping.uniform, "top": mapping.top, "bottom": mapping.bottom, "last": mapping.last}
    axes = canvas(9, 2.6)
    for row, (name, rule) in enumerate(rules.items()):
        y = 2.0 - 0.5 * row
        axes.text(0.1, y, name, va="center", family="monospace")
        chosen = {n: m for m, n in mapping.pairs(rule(student_layers, teacher_layers))}
        for n in range(1, teacher_layers + 1):
            x = 1.2 + 0.62 * n
            box(axes, x, y, 0.5, str(chosen.get(n, "")), STUDENT if n in chosen else "#cfd8dc")
            if row == 0:
                axes.text(x, 2.4, str(n), ha="center", color=TEACHER)
    axes.text(0.1, 2.4, "teacher layer", color=TEACHER)
    save(axes, "mappings")


def draw_retention(page: Path) -> None:
    """The first two tables of the page of results: shares of the teacher's score, one line a task."""
    blocks = re.findall(r"(?m)(?:^\|.*\n)+", page.read_text(encoding="utf-8"))
    ours, paper = ([re.split(r"\s*\|\s*", line)[1:-1] for line in block.splitlines()[2:]] for block in blocks[:2])
    figure, axes = plt.subplots(figsize=(9, 2.6))
    lowest, colors = 66, ("#b0bec5", "#ffb300", STUDENT)
    for y, ((_, teacher, *scores, kept), (_, of_paper, *_)) in enumerate(zip(ours, paper, strict=True)):
        whole = _first(teacher)
        shares = [100 * _first(score) / whole for score in scores]
        low, high = (float(end) for end in re.findall(r"[\d.]+", kept)[1:3])
        axes.plot([low, high], [y, y], color=STUDENT, linewidth=2.5, solid_capstyle="butt")
        for share, color in zip(shares, colors, strict=True):
            axes.plot(max(share, lowest), y, "o" if share > lowest else "<", color=color, markersize=9)
            if share < lowest:
                axes.text(lowest + 0.6, y, f"{share:.0f}%", va="center", fontsize=9, color=LINE)
        axes.plot(_first(of_paper), y + 0.28, "D", markerfacecolor="none", markeredgecolor=TEACHER)
    axes.axvline(100, color=LINE, linewidth=1)
    names = [row[0] for row in ours]
    axes.set(yticks=range(len(ours)), yticklabels=names, xlim=(lowest - 1, 103), ylim=(len(ours) - 0.5, -0.5))
    axes.xaxis.set_major_formatter("{x:g}%")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(left=False)
    words = ("trained on the labels", "solved, no step", "distilled, with its interval")
    keys = [Line2D([0], [0], color=c, marker="o", linestyle="", label=w) for c, w in zip(colors, words, strict=True)]
    keys.append(Line2D([0], [0], color=TEACHER, marker="D", fillstyle="none", linestyle="", label="TinyBERT4, paper"))
    figure.legend(handles=keys, loc="upper center", ncols=4, frameon=False)
    figure.subplots_adjust(left=0.17, right=0.98, top=0.85, bottom=0.14)
    figure.savefig(HERE / "retention.svg", facecolor="white", metadata={"Date": None})
    plt.close(figure)


def _first(cell: str) -> float:
    return float(re.findall(r"[\d.]+", cell.replace("**", ""))[0])


def draw_models(result: Path) -> None:
    """Score, size and time of a pipeline's models."""
    rows = json.loads(result.read_text(encoding="utf-8"))["table"]
    names = [row["model"] for row in rows]
    colors = [TEACHER, *["#b0bec5"] * (len(rows) - 2), STUDENT]
    panels = (("score", "{:.3f}"), ("parameters", "{:.1f} M"), ("latency_ms", "{:.1f} ms"))
    figure, axes = plt.subplots(1, 3, figsize=(9, 0.5 + 0.42 * len(rows)), sharey=True)
    for one, (key, form), title in zip(axes, panels, ("score", "size", "one row"), strict=True):
        values = [row[key] / (1e6 if key == "parameters" else 1) for row in rows]
        one.barh(names, values, color=colors)
        one.invert_yaxis() if one is axes[0] else None
        for i, value in enumerate(values):
            one.text(value, i, " " + form.format(value), va="center")
        one.set(title=title, xticks=[], xlim=(0, 1.35 * max(values)))
        one.spines[:].set_visible(False)
        one.tick_params(left=False)
    figure.tight_layout()
    figure.savefig(HERE / "models.svg", facecolor="white", metadata={"Date": None})


if __name__ == "__main__":
    draw_layers()
    draw_stages()
    draw_mappings()
    draw_retention(HERE.parent / "results.md")
    for argument in sys.argv[1:]:
        draw_models(Path(argument))
