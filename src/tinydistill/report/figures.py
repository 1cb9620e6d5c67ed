"""Which plots a report has, of what, and which color is whose."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tinydistill.report import plots
from tinydistill.report.collected import Collected
from tinydistill.report.curves import Curves, curves
from tinydistill.report.plots import GREY, ORANGE, OTHERS, Line
from tinydistill.report.run import Run, explained
from tinydistill.report.scores import TaskScores
from tinydistill.report.shipped import BASELINE, TEACHER, Model, shipped, timed_as

Drawn = list[tuple[str, str]]  # what an image shows, and its file
_LINES = 6  # runs in one plot: more can't be told apart
_PHASES = ("pretrain", "general", "finetune", "intermediate", "prediction", "merged")
_ALONE = {"general": "general student", "pretrain": "masked language model"}
_KIND_COLORS = {TEACHER: GREY, BASELINE: ORANGE}


class Figures:
    """Draws below `directory`/figures."""

    def __init__(self, directory: Path, collected: Collected, tasks: Sequence[TaskScores]):
        self.directory, self.collected, self.tasks = directory, collected, tasks
        self.colors: dict[Path, str] = {}
        self.labels: dict[Path, str] = {}
        for task in tasks:
            self._give_colors(task)
        generals = collected.best_of("general", "pretrain")
        names = _distinct_names([run.name for run in generals])
        for i, run in enumerate(generals):
            self.colors[run.path] = OTHERS[(i + 2) % len(OTHERS)]
            self.labels[run.path] = names[i] if len(generals) > 1 else _ALONE[run.stage]
        known = [run for task in tasks for model in task.models for run in model.members]
        trained = [run for run in known if run.stage in ("finetune", "task")]
        rest = [run for run in collected.of("finetune", "task") if run not in known]
        self._phases = [phase for run in [*generals, *trained, *rest] for phase in curves(run)]

    def _give_colors(self, task: TaskScores) -> None:
        free = list(OTHERS)
        for kind in dict.fromkeys(model.kind for model in task.models):
            runs = [run for model in task.models if model.kind == kind for run in model.members]
            names = _distinct_names([run.name for run in runs])
            for i, run in enumerate(runs):
                own = _KIND_COLORS.get(kind) if i == 0 else None
                self.colors[run.path] = own or free[0]
                free = free if own else [*free[1:], free[0]]
                self.labels[run.path] = f"{kind} ({names[i]})" if len(runs) > 1 else kind

    def trade_offs(self, task: TaskScores) -> Drawn:
        """Score against latency and size: of all models in PyTorch, and of each exported one in its runtimes."""
        timed = [one for one in task.models if one.latency_ms is not None] or task.models
        known = [(self._label(one, task), self._color(one.kind, one.run), one) for one in timed]
        latency = f"ms for one row of {task.length} tokens, PyTorch"
        drawn = [self._trade_off(task, task.title, "models", known, latency)]
        for i, export in enumerate(task.exports):
            source = self.collected.with_weights(export.inputs.get("model")) or export
            rows = [
                (f"{row.kind}, {row.runtime}", self._color(row.kind, source, shared=True), row)
                for row in shipped(export)
                if row.latency_ms is not None
            ]
            title, latency = f"{task.title}: as shipped", f"ms ({timed_as(export)})"
            drawn.append(self._trade_off(task, title, f"shipped-{i}", rows, latency))
        return [one for one in drawn if one is not None]

    def _label(self, model: Model, task: TaskScores) -> str:
        several = f", mean of {model.seeds} seeds" if model.seeds > 1 else ""
        alone = model.run is None or task.count(model.kind) == 1
        return (model.kind if alone or model.run is None else self.labels[model.run.path]) + several

    def _color(self, kind: str, run: Run | None, *, shared: bool = False) -> str:
        """That of a run; `shared` where the run stands for models of other kinds too."""
        own, of_kind = run and self.colors.get(run.path), _KIND_COLORS.get(kind)
        return (of_kind or own if shared else own or of_kind) or OTHERS[0]

    def _trade_off(
        self, task: TaskScores, title: str, name: str, rows: Sequence[plots.Point], latency: str
    ) -> tuple[str, str] | None:
        """What is drawn of (label, color, model); None of less than two."""
        points = [row for row in rows if row[-1].score is not None and row[-1].bytes is not None]
        if len(points) < 2:
            return None
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
            for (task, phase), of in sorted(groups.items(), key=lambda group: (group[0][0], _phase_order(group[0][1])))
        ]

    def _of_phase(self, task: str, phase: str, of: Sequence[Curves]) -> Drawn:
        name, drawn = _slug(f"{task} {phase}"), []
        losses = [self._line(one, "train/loss", noisy=True) for one in of]
        if len(of) == 1:
            losses.append(replace(self._line(of[0], "heldout/loss", dashed=True, marked=True), label="held-out"))
            losses[0] = replace(losses[0], label="training")
        if losses := [line for line in losses if len(line.points)]:
            drawn.append(self._lines(f"{name}-loss", f"{phase}: loss", losses, "loss"))
        for monitor in dict.fromkeys(one.run.monitor for one in of):
            scored = [self._line(one, str(monitor), marked=True) for one in of]
            if scored := [line for line in scored if len(line.points)]:
                title, level = f"{phase}: {monitor}", of[0].run.result.get("teacher_score")
                drawn.append(self._lines(f"{name}-score", title, scored, str(monitor), score=True, teacher=level))
        if terms := of[0].named("train/unexplained/"):
            title = f"{phase}: unexplained variance" + (f"\n{self.labels[of[0].run.path]}" if len(of) > 1 else "")
            drawn.append(
                self._lines(f"{name}-unexplained", title, _term_lines(terms), "unexplained variance", log=True)
            )
        return drawn

    def _line(self, of: Curves, metric: str, **style: bool) -> Line:
        path, points = of.run.path, of.metric(metric)
        if len(points) > 1 and points.index[-1] - points.index[-2] <= 1:
            points = points[:-1]  # measured once more at the end, of the best weights
        return Line(self.labels.get(path, of.run.name), self.colors.get(path, OTHERS[0]), points, **style)

    def _lines(self, name: str, title: str, drawn: Sequence[Line], axis: str, **options: Any) -> tuple[str, str]:
        file = f"figures/training-{name}.png"
        plots.lines(self.directory / file, title, drawn, axis, **options)
        return title, file

    def layers(self, runs: Sequence[Run]) -> Drawn:
        """Unexplained variance by layer of every run and phase that reports it."""
        drawn = []
        for run in runs:
            for phase, report in run.phases.items():
                if rows := explained(report):
                    file = f"figures/layers-{_slug(run.name)}-{phase}.png"
                    label = self.labels.get(run.path, "")
                    title = f"{run.task}: {phase}" if run.task else label if "student" in label else f"{phase}: {label}"
                    plots.unexplained(self.directory / file, title, rows, self._color("", run))
                    drawn.append((f"Unexplained variance: {title}", file))
        return drawn


def _phase_order(phase: str) -> int:
    return _PHASES.index(phase) if phase in _PHASES else len(_PHASES)


def _term_lines(terms: dict[str, Any]) -> list[Line]:
    """Lines of losses by layer: a color a layer, attention dashed."""
    found = []
    for term, points in sorted(terms.items(), key=lambda one: (one[0].split("/")[0] == "attention", one[0])):
        name, _, layer = term.partition("/")
        color = OTHERS[(int(layer) - 1) % len(OTHERS)] if layer not in ("", "0") else GREY
        found.append(Line(f"{name} {layer}".strip(), color, points, dashed=name == "attention", noisy=True))
    return found


def _distinct_names(names: Sequence[str], longest: int = 34) -> list[str]:
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
