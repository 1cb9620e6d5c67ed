"""Which plots a report has, of what, and which colour is whose."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tinydistill.export.exported import PYTORCH, RUNTIMES
from tinydistill.report import plots
from tinydistill.report.collected import Collected, Run
from tinydistill.report.curves import Curves, curves
from tinydistill.report.plots import GREY, ORANGE, OTHERS, Line, Point
from tinydistill.report.scores import Model, TaskScores
from tinydistill.report.shipped import BASELINE, TEACHER, shipped, timed_as
from tinydistill.report.sweeps import figure

Drawn = list[tuple[str, str]]  # what an image shows, and its file
_LINES = 6  # runs in one plot: more can't be told apart
_PHASES = ("pretrain", "general", "finetune", "intermediate", "prediction", "merged")
_MARKERS = {PYTORCH: "o", RUNTIMES["onnx"]: "s", RUNTIMES["onnx_int8"]: "D"}
_ALONE = {"general": "general student", "pretrain": "masked language model"}
_KIND_COLOURS = {TEACHER: GREY, BASELINE: ORANGE}


class Figures:
    """Draws below `directory`/figures."""

    def __init__(self, directory: Path, collected: Collected, tasks: Sequence[TaskScores]):
        self.directory, self.collected, self.tasks = directory, collected, tasks
        self.colours: dict[Path, str] = {}
        self.labels: dict[Path, str] = {}
        for task in tasks:
            self._give_colours(task)
        generals = sorted(collected.of("general", "pretrain"), key=lambda run: figure(run).rank)
        names = _short([run.name for run in generals])
        for i, run in enumerate(generals):
            self.colours[run.path] = OTHERS[(i + 2) % len(OTHERS)]
            self.labels[run.path] = names[i] if len(generals) > 1 else _ALONE[run.stage]
        self._phases = [phase for run in self._ordered() for phase in curves(run)]

    def _give_colours(self, task: TaskScores) -> None:
        free = list(OTHERS)
        for kind in dict.fromkeys(model.kind for model in task.models):
            runs = [model.run for model in task.models if model.kind == kind and model.run is not None]
            names = _short([run.name for run in runs])
            for i, run in enumerate(runs):
                own = _KIND_COLOURS.get(kind) if i == 0 else None
                self.colours[run.path] = own or free[0]
                free = free if own else [*free[1:], free[0]]
                self.labels[run.path] = f"{kind} ({names[i]})" if len(runs) > 1 else kind

    def _ordered(self) -> list[Run]:
        """General runs first, then those of every task, the best first."""
        known = [model.run for task in self.tasks for model in task.models if model.run is not None]
        generals = sorted(self.collected.of("general", "pretrain"), key=lambda run: figure(run).rank)
        rest = [run for run in self.collected.of("finetune", "task") if run not in known]
        return [*generals, *(run for run in known if run.stage in ("finetune", "task")), *rest]

    def _colour(self, model: Model) -> str:
        known = None if model.run is None else self.colours.get(model.run.path)
        return known or _KIND_COLOURS.get(model.kind, OTHERS[0])

    def _label(self, model: Model) -> str:
        return model.kind if model.run is None else self.labels[model.run.path]

    def trade_offs(self, task: TaskScores) -> Drawn:
        """Score against latency and size: of all models in PyTorch, and of each exported one in its runtimes."""
        drawn = []
        known = [one for one in task.models if one.score is not None and one.bytes is not None]
        if any(one.latency_ms is not None for one in known):
            known = [one for one in known if one.latency_ms is not None]
        points = [
            Point(self._label(one), self._colour(one), _MARKERS[PYTORCH], one.score, one.bytes / 1e6, one.latency_ms)
            for one in known
            if one.score is not None and one.bytes is not None
        ]
        if len(points) > 1:
            latency = f"ms for one row of {task.length} word pieces, PyTorch"
            drawn.append(self._trade_off(task, task.title, "models", points, latency))
        for i, export in enumerate(task.exports):
            points = [
                Point(
                    f"{row.kind}, {row.runtime}",
                    _KIND_COLOURS.get(row.kind) or self._exported_colour(export),
                    _MARKERS[row.runtime],
                    row.score,
                    row.bytes / 1e6,
                    row.latency_ms,
                )
                for row in shipped(export)
                if row.score is not None and row.latency_ms is not None
            ]
            if len(points) > 1:
                title, latency = f"{task.title}: as shipped", f"ms ({timed_as(export)})"
                drawn.append(self._trade_off(task, title, f"shipped-{i}", points, latency))
        return drawn

    def _exported_colour(self, export: Run) -> str:
        source = self.collected.with_weights(export.settings["weights"])
        return self.colours.get((source or export).path, OTHERS[0])

    def _trade_off(
        self, task: TaskScores, title: str, name: str, points: Sequence[Point], latency: str
    ) -> tuple[str, str]:
        file = f"figures/scores-{_slug(task.title)}-{name}.png"
        plots.trade_off(self.directory / file, title, points, task.metric, latency)
        return f"{title}: score, latency and size", file

    def training(self) -> list[tuple[str, Drawn]]:
        """A heading and its plots for every stage and phase on every task."""
        groups: dict[tuple[str, str], list[Curves]] = {}
        for phase in self._phases:
            groups.setdefault((phase.run.task or "", phase.phase), []).append(phase)
        return [
            (f"{task}: {phase}" if task else phase, self._of_phase(task, phase, of[:_LINES]))
            for (task, phase), of in sorted(groups.items(), key=lambda group: (group[0][0], _place(group[0][1])))
        ]

    def _of_phase(self, task: str, phase: str, of: Sequence[Curves]) -> Drawn:
        name, drawn = _slug(f"{task} {phase}"), []
        losses = [self._line(one, "train/loss", noisy=True) for one in of]
        if len(of) == 1:
            losses.append(replace(self._line(of[0], "heldout/loss", dashed=True, marked=True), label="held-out"))
            losses[0] = replace(losses[0], label="training")
        if losses := [line for line in losses if line.points]:
            drawn.append(self._lines(f"{name}-loss", f"{phase}: loss", losses, "loss"))
        for monitor in dict.fromkeys(one.run.result.get("monitor") for one in of):
            scored = [self._line(one, str(monitor), marked=True) for one in of]
            if scored := [line for line in scored if line.points]:
                title, level = f"{phase}: {monitor}", self._teacher_level(of[0].run)
                drawn.append(self._lines(f"{name}-score", title, scored, str(monitor), score=True, level=level))
        if terms := of[0].named("train/unexplained/"):
            title = f"{phase}: unexplained variance" + (f"\n{self.labels[of[0].run.path]}" if len(of) > 1 else "")
            drawn.append(self._lines(f"{name}-unexplained", title, _terms(terms), "unexplained variance", log=True))
        return drawn

    def _line(self, of: Curves, metric: str, **style: bool) -> Line:
        path, points = of.run.path, of.metrics.get(metric, [])
        if len(points) > 1 and points[-1][0] - points[-2][0] <= 1:
            points = points[:-1]  # measured once more at the end, of the best weights
        return Line(self.labels.get(path, of.run.name), self.colours.get(path, OTHERS[0]), points, **style)

    def _teacher_level(self, run: Run) -> tuple[str, float] | None:
        known = run.result.get("teacher_score") if run.stage == "task" else None
        return None if known is None else ("teacher", float(known))

    def _lines(self, name: str, title: str, drawn: Sequence[Line], axis: str, **options: Any) -> tuple[str, str]:
        file = f"figures/training-{name}.png"
        plots.lines(self.directory / file, title, drawn, axis, **options)
        return title, file

    def layers(self, runs: Sequence[Run]) -> Drawn:
        """Unexplained variance by layer of every run and phase that reports it."""
        drawn = []
        for run in runs:
            phases = run.result.get("phases") or {run.stage: run.result}
            for phase, report in phases.items():
                rows = [row for row in report.get("layers", ()) if row.get("unexplained") is not None]
                if rows:
                    file = f"figures/layers-{_slug(run.name)}-{phase}.png"
                    label = self.labels.get(run.path, "")
                    title = f"{run.task}: {phase}" if run.task else label if "student" in label else f"{phase}: {label}"
                    plots.unexplained(self.directory / file, title, rows, self.colours.get(run.path, OTHERS[0]))
                    drawn.append((f"Unexplained variance: {title}", file))
        return drawn


def _place(phase: str) -> int:
    return _PHASES.index(phase) if phase in _PHASES else len(_PHASES)


def _terms(terms: dict[str, list[tuple[float, float]]]) -> list[Line]:
    """Lines of losses by layer: a colour a layer, attention dashed."""
    found = []
    for term, points in sorted(terms.items(), key=lambda one: (one[0].split("/")[0] == "attention", one[0])):
        name, _, layer = term.partition("/")
        colour = GREY if layer == "0" else OTHERS[(int(layer) - 1) % len(OTHERS)]
        found.append(Line(f"{name} {layer}", colour, points, dashed=name == "attention", noisy=True))
    return found


def _short(names: Sequence[str], longest: int = 34) -> list[str]:
    """Names without the beginning and end that all of them share, long ones cut in the middle."""
    split = [re.split(r"(?<=[_/])", name) for name in names]
    start = end = 0
    least = min(map(len, split), default=0)
    while len(names) > 1 and start < least - 1 and len({parts[start] for parts in split}) == 1:
        start += 1
    while len(names) > 1 and end < least - start - 1 and len({parts[-end - 1] for parts in split}) == 1:
        end += 1
    kept = ["".join(parts[start : len(parts) - end]).strip("_/") for parts in split]
    half = longest // 2
    return [name if len(name) <= longest else f"{name[:half]}…{name[-half:]}" for name in kept]


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-")
