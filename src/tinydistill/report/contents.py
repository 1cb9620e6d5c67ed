"""A report's parts in their order, each only where there is something to show: Markdown, HTML and PNGs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinydistill.artifacts.portable import without_home
from tinydistill.certification import summary as certificates
from tinydistill.escaping import for_markdown
from tinydistill.export.markdown import code
from tinydistill.report import attention, classes, drawings, figures, frontier, tables
from tinydistill.report.attention import AttentionMaps
from tinydistill.report.collected import Collected
from tinydistill.report.evidence import DEVIATION, caption
from tinydistill.report.page import images, page
from tinydistill.report.run import Run
from tinydistill.report.scores import TaskScores, scores
from tinydistill.report.shipped import STUDENT, TEACHER, shipped, timed_as
from tinydistill.report.sweeps import sweeps

SHOWN = 4  # general students whose layers are drawn


@dataclass(frozen=True)
class SeenAttention:
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
    seen: Sequence[SeenAttention] = ()

    def __post_init__(self) -> None:
        self.tasks = scores(self.collected)
        self.figures = figures.Figures(self.directory, self.collected, self.tasks)
        self.students = students(self.tasks)
        self.generals = self.collected.best_of("general")

    def write(self, title: str) -> str:
        """Write report.md, report.html and the images; the Markdown."""
        parts = [
            ("Scores", self._scores()),
            ("Certificates", self._certificates()),
            ("Shapes of a student", self._shapes()),
            ("Settings compared", self._sweeps()),
            ("Training", self._training()),
            ("How well every layer is imitated", self._layers()),
            ("Which layer learns from which", self._mapping()),
            ("Attention maps", self._attention()),
            ("Where it comes from", self._records()),
        ]
        shown = [f"## {name}\n\n{text}" for name, text in parts if text]
        markdown = _paragraphs([f"# {for_markdown(title)}", *shown]) + "\n"
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
            parts += [f"### {for_markdown(task.title)}", _lead(task), tables.of_task(task), _remarks(task)]
            parts += [tables.of_differences(task.differences) if task.differences else "", _certainty(task)]
            parts.append(classes.of_classes(task))
            parts.append(images(self.figures.trade_offs(task)))
            for export in task.exports:
                said = timed_as(export)
                parts += [
                    f"As shipped in {code(export.name)}{f', measured with {said}' if said else ''}:",
                    tables.of_shipped(shipped(export)),
                ]
        return _paragraphs(parts)

    def _certificates(self) -> str:
        """What each certificate says."""
        parts = []
        for run in self.collected.of("certify"):
            parts += [f"### {for_markdown(str(run.task))}", code(run.name), certificates.in_markdown(run.result)]
        return _paragraphs(parts)

    def _shapes(self) -> str:
        """The shapes of each search, and their frontier."""
        parts = []
        for i, run in enumerate(self.collected.of("search")):
            found = frontier.read(run.result)
            file = f"figures/frontier-{i}.png"
            frontier.draw(self.directory / file, str(run.task), found.candidates, found.teacher_score, found.target)
            parts += [
                f"### {for_markdown(str(run.task))}",
                code(run.name),
                frontier.in_markdown(found),
                f"*{for_markdown(found.remark)}*",
                images([(f"Score and latency of shapes on {run.task}", file)]),
            ]
        return _paragraphs(parts)

    def _sweeps(self) -> str:
        parts = []
        models = [model for task in self.tasks for model in task.models]
        for sweep in sweeps(self.collected):
            of, figure = f" on {for_markdown(sweep.task)}" if sweep.task else "", sweep.runs[0].figure
            better = "high" if figure.higher_is_better else "low"
            said = [f"The settings in which they differ; {for_markdown(figure.name)}: {better} is good."]
            if sweep.seeds > 1:
                said.append(DEVIATION)
            if compared := [one for one in sweep.differences if one is not None]:
                said.append(
                    f"difference: to {code(sweep.reference.name)}. {caption(map(len, sweep.lines), compared[0].rows)}"
                )
            heading = f"### {for_markdown(sweep.stage)}{of}: {sum(map(len, sweep.lines))} runs"
            parts += [heading, tables.of_sweep(sweep, models), f"*{' '.join(said)}*"]
        return _paragraphs(parts)

    def _training(self) -> str:
        return _paragraphs(f"### {for_markdown(name)}\n\n{images(of)}" for name, of in self.figures.training())

    def _layers(self) -> str:
        files = self.figures.layers([*self.generals[:SHOWN], *self.students])
        if not files:
            return ""
        left = f" The {SHOWN} best general students are shown." if len(self.generals) > SHOWN else ""
        return (
            "Unexplained variance on held-out rows: 1 is guessing the mean, 0 a perfect copy; a student so narrow "
            f"can't get below the floor.{left}\n\n{images(files)}"
        )

    def _mapping(self) -> str:
        same: dict[tuple[Any, ...], list[Run]] = {}
        for run in self.students or self.generals[:SHOWN]:
            if run.mapping is not None:
                predicts = bool({"prediction", "merged"} & set(run.phases))
                drawn = tuple(run.mapping), tuple(run.losses), self.depths.get(run.path), predicts
                same.setdefault(drawn, []).append(run)
        files = []
        for i, ((mapping, losses, depth, predicts), of) in enumerate(same.items()):
            file = f"figures/mapping-{i}.png"
            drawings.draw(self.directory / file, mapping, losses, teacher_layers=depth, prediction=predicts)
            files.append((f"Mapping of {', '.join(run.name for run in of)}", file))
        named = ", ".join(code(run.name) for of in same.values() for run in of)
        return f"{named}\n\n{images(files)}" if files else ""

    def _attention(self) -> str:
        parts = []
        for i, one in enumerate(self.seen):
            if one.missing:
                parts.append(f"The attention of {code(one.run.name)} isn't drawn: {for_markdown(one.missing)}")
                continue
            files = []
            for number, maps in enumerate(one.maps):
                file = f"figures/attention-{i}-{number}.png"
                attention.draw(self.directory / file, maps)
                files.append((f"Attention to {' '.join(maps.tokens)}", file))
            parts += [
                f"{code(one.run.name)} and its teacher, {one.heads}: each row of a map is a token, and how it shares "
                "its attention among the tokens of the columns.",
                images(files),
            ]
        return _paragraphs(parts)

    def _records(self) -> str:
        unfinished = ", ".join(code(without_home(str(path))) for path in self.collected.unfinished)
        left = f"Left out, as it is not finished: {unfinished}" if unfinished else ""
        return _paragraphs([tables.of_records(self.collected.runs), tables.versions(self.collected.runs), left])


def _paragraphs(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part)


def _lead(task: TaskScores) -> str:
    """A task's outcome in a sentence; empty without a distilled student that has a teacher beside it."""
    student, teacher = task.best(STUDENT), task.best(TEACHER)
    if student is None or teacher is None or student.retention is None:
        return ""
    best = "best " if task.count(STUDENT) > 1 else ""
    said = [f"The {best}distilled student keeps {student.retention:.1f}% of its teacher's {for_markdown(task.metric)}"]
    if student.parameters and teacher.parameters:
        said.append(f"with {student.parameters / teacher.parameters:.0%} of the parameters")
    if student.speedup is not None:
        said.append(f"and answers {student.speedup:.1f} times as fast")
    return f"{', '.join(said)}."


def _remarks(task: TaskScores) -> str:
    said = []
    if (majority := task.majority.get(task.metric)) is not None:
        said.append(f"Always saying the commonest class scores {majority:.3f}.")
    if task.length is not None:
        said.append(
            f"ms: the median for one row of {task.length} tokens in PyTorch, fp32, one CPU thread, alternating with "
            "its teacher; MB of weights."
        )
    return f"*{' '.join(said)}*" if said else ""


def _certainty(task: TaskScores) -> str:
    """What the intervals and deviations of a task are, where it has any."""
    known = [model.seeds for model in task.models if model.interval is not None]
    said = [caption(known, next((one.rows for one in task.differences), None))] if known else []
    if any(model.seeds > 1 for model in task.models):
        said.append(DEVIATION)
    return f"*{' '.join(said)}*" if said else ""


def students(tasks: Sequence[TaskScores]) -> list[Run]:
    """The best distilled student of every task that was trained here."""
    best = [task.best(STUDENT) for task in tasks]
    return [model.run for model in best if model is not None and model.run is not None and model.run.stage == "task"]
