"""A report's parts in their order, each only where there is something to show: Markdown, HTML and PNGs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tinydistill.report import attention, drawings, figures, tables
from tinydistill.report.attention import AttentionMaps
from tinydistill.report.collected import Collected, Run
from tinydistill.report.page import code, escape, images, page
from tinydistill.report.scores import TaskScores, scores
from tinydistill.report.shipped import STUDENT, TEACHER, shipped, timed_as
from tinydistill.report.sweeps import figure, sweeps

SHOWN = 4  # general students whose layers are drawn


@dataclass(frozen=True)
class Looked:
    """Attention maps of a student and its teacher, one a text; or why there are none."""

    run: Run
    maps: Sequence[AttentionMaps] = ()
    missing: str = ""
    heads: str = "the mean over heads"


@dataclass
class Report:
    """A report in the making: what was collected, where it is written, and the depths of teachers by run, if known."""

    collected: Collected
    directory: Path
    depths: Mapping[Path, int] = field(default_factory=dict)
    looked: Sequence[Looked] = ()

    def __post_init__(self) -> None:
        self.tasks = scores(self.collected)
        self.drawn = figures.Figures(self.directory, self.collected, self.tasks)

    @property
    def students(self) -> list[Run]:
        """The best distilled student of every task that was trained here."""
        return students(self.tasks)

    def write(self, title: str) -> str:
        """Writes report.md, report.html and the images; the Markdown."""
        parts = [
            ("Scores", self._scores()),
            ("Settings compared", self._sweeps()),
            ("Training", self._training()),
            ("How well every layer is imitated", self._layers()),
            ("Which layer learns from which", self._mapping()),
            ("Where they look", self._attention()),
            ("Where it comes from", self._records()),
        ]
        body = "\n\n".join(f"## {heading}\n\n{text}" for heading, text in parts if text)
        markdown = f"# {escape(title)}\n\n{body}\n"
        (self.directory / "report.md").write_text(markdown, encoding="utf-8")
        (self.directory / "report.html").write_text(page(markdown, self.directory, title), encoding="utf-8")
        return markdown

    def _scores(self) -> str:
        parts = []
        if len(self.tasks) > 1:
            parts.append(tables.of_all(self.tasks))
            if any(task.count(STUDENT) > 1 for task in self.tasks):
                parts.append("*The best of each kind; all of them are below.*")
        for task in self.tasks:
            parts += [f"### {escape(task.title)}", _lead(task), tables.of_task(task), self._remarks(task)]
            parts.append(images(self.drawn.trade_offs(task)))
            for export in task.exports:
                said = timed_as(export)
                parts += [
                    f"As shipped in {code(export.name)}{f', measured with {said}' if said else ''}:",
                    tables.of_shipped(shipped(export)),
                ]
        return "\n\n".join(part for part in parts if part)

    @staticmethod
    def _remarks(task: TaskScores) -> str:
        said = []
        majority = task.majority.get(task.metric)
        if majority is not None:
            said.append(f"Always saying the commonest class scores {majority:.3f}.")
        if task.length is not None:
            said.append(
                f"ms: the median for one row of {task.length} word pieces in PyTorch, fp32, one CPU thread, timed by "
                "turns with its teacher; MB of weights."
            )
        return f"*{' '.join(said)}*" if said else ""

    def _sweeps(self) -> str:
        parts = []
        models = [model for task in self.tasks for model in task.models]
        for sweep in sweeps(self.collected):
            of = f" on {escape(sweep.task)}" if sweep.task else ""
            better = "high" if figure(sweep.runs[0]).higher_is_better else "low"
            parts += [
                f"### stage={sweep.stage}{of}: {len(sweep.runs)} runs",
                tables.of_sweep(sweep, models),
                f"*The settings in which they differ; {escape(sweep.figure)}: {better} is good.*",
            ]
        return "\n\n".join(parts)

    def _training(self) -> str:
        return "\n\n".join(
            f"### {escape(heading)}\n\n{images(files)}" for heading, files in self.drawn.training() if files
        )

    def _layers(self) -> str:
        generals = sorted(self.collected.of("general"), key=lambda run: figure(run).rank)
        files = self.drawn.layers([*generals[:SHOWN], *self.students])
        if not files:
            return ""
        left = f" The {SHOWN} best general students are shown." if len(generals) > SHOWN else ""
        return (
            "Unexplained variance on held-out rows: 1 is guessing the mean, 0 a perfect copy; a student so narrow "
            f"can't get below the floor.{left}\n\n{images(files)}"
        )

    def _mapping(self) -> str:
        runs = self.students or sorted(self.collected.of("general"), key=lambda run: figure(run).rank)[:SHOWN]
        files: list[tuple[str, str]] = []
        seen: dict[str, tuple[drawings.MappingDrawing, list[Run]]] = {}
        for run in runs:
            drawn = drawing(run, self.depths.get(run.path))
            if drawn is not None:
                seen.setdefault(repr(drawn), (drawn, []))[1].append(run)
        for i, (drawn, of) in enumerate(seen.values()):
            file = f"figures/mapping-{i}.png"
            drawings.draw(self.directory / file, drawn)
            files.append((f"Mapping of {', '.join(run.name for run in of)}", file))
        named = ", ".join(code(run.name) for _, of in seen.values() for run in of)
        return f"{named}\n\n{images(files)}" if files else ""

    def _attention(self) -> str:
        parts = []
        for i, one in enumerate(self.looked):
            if one.missing:
                parts.append(f"The attention of {code(one.run.name)} isn't drawn: {escape(one.missing)}")
                continue
            files = []
            for number, maps in enumerate(one.maps):
                file = f"figures/attention-{i}-{number}.png"
                attention.draw(self.directory / file, maps)
                files.append((f"Attention to {' '.join(maps.pieces)}", file))
            parts += [
                f"{code(one.run.name)} and its teacher, {one.heads}: each row of a map is a word piece, and how it "
                "shares its attention among the word pieces of the columns.",
                images(files),
            ]
        return "\n\n".join(parts)

    def _records(self) -> str:
        parts = [tables.of_records(self.collected.runs), tables.versions(self.collected.runs)]
        if self.collected.unfinished:
            named = ", ".join(code(str(path)) for path in self.collected.unfinished)
            parts.append(f"Left out, as it is not finished: {named}")
        return "\n\n".join(parts)


def _lead(task: TaskScores) -> str:
    """A task's outcome in a sentence; empty without a distilled student that has a teacher beside it."""
    student, teacher = task.best(STUDENT), task.best(TEACHER)
    if student is None or teacher is None or student.retention is None:
        return ""
    said = [f"The {'best ' if task.count(STUDENT) > 1 else ''}distilled student keeps {student.retention:.1f}% of its"]
    said[0] += f" teacher's {escape(task.metric)}"
    if student.parameters and teacher.parameters:
        said.append(f"with {student.parameters / teacher.parameters:.0%} of the parameters")
    if student.speedup is not None:
        said.append(f"and answers {student.speedup:.1f} times as fast")
    return f"{', '.join(said)}."


def students(tasks: Sequence[TaskScores]) -> list[Run]:
    """The best distilled student of every task that was trained here."""
    best = [task.best(STUDENT) for task in tasks]
    return [model.run for model in best if model is not None and model.run is not None and model.run.stage == "task"]


def layered(run: Run) -> dict[str, dict]:
    """The reports of a run's phases that imitate layers, by phase."""
    phases = run.result.get("phases") or {run.stage: run.result}
    return {phase: report for phase, report in phases.items() if report.get("mapping")}


def drawing(run: Run, depth: int | None) -> drawings.MappingDrawing | None:
    """The mapping of a run; None where it imitates no layers."""
    report = next(iter(layered(run).values()), None)
    if report is None:
        return None
    objective, phases = run.settings["objective"], run.result.get("phases", {})
    return drawings.MappingDrawing(
        tuple(report["mapping"]),
        depth,
        tuple(name for name in ("hidden", "attention", "relation") if objective.get(name)),
        bool(objective["embedding"]),
        bool({"prediction", "merged"} & set(phases)),
    )
