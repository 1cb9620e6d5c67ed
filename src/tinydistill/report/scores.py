"""Teachers, baselines and students of each task: how good, how small, how fast, the best first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tinydistill.export.exported import PYTORCH
from tinydistill.kinds.metrics import retention
from tinydistill.models.loading import weight_files
from tinydistill.report.collected import Collected
from tinydistill.report.evidence import Difference, differences, with_interval
from tinydistill.report.run import Run, Scores
from tinydistill.report.seeds import merged
from tinydistill.report.shipped import BASELINE, KINDS, OTHER, STUDENT, TEACHER, UNTRAINED, Model, shipped, timed


@dataclass(frozen=True)
class TaskScores:
    """All that is known of a task's models, the best first, those that differ in their seed alone as one.

    `metric` is SPLIT/METRIC; `majority` has all of these.
    """

    title: str
    metric: str
    models: tuple[Model, ...]
    majority: Scores
    length: int | None
    exports: tuple[Run, ...]
    differences: tuple[Difference, ...] = ()

    def best(self, kind: str) -> Model | None:
        """The best model of a kind."""
        return next((model for model in self.models if model.kind == kind), None)

    def count(self, kind: str) -> int:
        """The number of models of a kind."""
        return sum(model.kind == kind for model in self.models)


def scores(collected: Collected) -> list[TaskScores]:
    """The tasks of the collected artifacts by name, those on other rows or with another metric apart."""
    groups: dict[tuple[str, str, str], list[Run]] = {}
    for run in collected.of("finetune", "task"):
        if run.monitor:
            groups.setdefault((str(run.task), run.monitor, run.inputs.get("task") or ""), []).append(run)
    known = {run.weights for runs in groups.values() for run in runs}
    for run in collected.of("evaluate", "export"):
        if run.monitor and run.inputs.get("model") not in known:
            alike = [key for key in groups if key[:2] == (run.task, run.monitor)]
            key = alike[0] if len(alike) == 1 else (str(run.task), run.monitor, "")
            groups.setdefault(key, []).append(run)
    names = [name for name, _, _ in groups]
    return [
        _task(collected, key[0] if names.count(key[0]) == 1 else _distinct_title(key, runs), key[1], runs)
        for key, runs in sorted(groups.items(), key=lambda item: item[0])
    ]


def _distinct_title(key: tuple[str, str, str], runs: Sequence[Run]) -> str:
    """Tasks of the same name: other files, other versions of the same rows, or another metric."""
    name, metric, rows = key
    file = runs[0].configuration.get("task", {}).get("source", {}).get("train")
    return f"{name} ({Path(file).name if file else metric}{f', rows {rows[:6]}' if rows else ''})"


def _task(collected: Collected, title: str, metric: str, runs: Sequence[Run]) -> TaskScores:
    students = [run for run in runs if run.stage == "task"]
    measured: dict[Path, dict[str, Any]] = {}
    apart: dict[str, dict[str, Any]] = {}  # the pipelines' rows of models that are not among the runs, by path
    lengths: list[int] = []
    for pipeline in sorted(collected.of("pipeline"), key=lambda run: run.provenance.get("finished", "")):
        for row in pipeline.result["models"]:
            if row["task"] == runs[0].task and row["metric"] == metric:
                run = _run_of_row(row["path"], pipeline, runs) if row["path"] else None
                if run is not None:
                    measured[run.path] = row
                    lengths += filter(None, [pipeline.configuration.get("pipeline", {}).get("latency_length")])
                elif row["model"] == TEACHER:
                    apart[str(row["path"])] = row
    models = [_model(run, students, measured.get(run.path, {})) for run in runs]
    trained = [run for run in students if run.untrained]
    if len({run.recipe for run in trained}) == 1:  # of several, nobody could tell which is whose
        models += [_untrained(model, run) for model in models for run in trained if model.run is run]
    models += _unseen_teachers(students, {run.weights for run in runs}, apart)
    own = {run.weights for run in runs}
    exports = [run for run in collected.of("export") if run in runs or run.inputs.get("model") in own]
    for export in exports:
        models = _with_export(models, export)
    teacher = _reference(models, students)
    models = [
        model if model.retention is not None else replace(model, retention=retention(model.score, teacher))
        for model in models
    ]
    lengths = lengths or [timed(run)["length"] for run in exports if timed(run)]
    majority = next(filter(None, (run.scores("majority") for run in runs)), {})
    lines = tuple(with_interval(model, metric) for model in _sorted(merged(models)))
    longest, found = max(lengths, default=None), tuple(differences(lines, metric))
    return TaskScores(title, metric, lines, majority, longest, tuple(exports), found)


def _reference(models: Sequence[Model], students: Sequence[Run]) -> float | None:
    """The score that what has no teacher of its own is measured against: a teacher's that taught, if there is one."""
    taught = {run.inputs.get("teacher") for run in students}
    teachers = [model for model in _sorted(models) if model.kind == TEACHER]
    teachers.sort(key=lambda model: model.run is not None and model.run.weights not in taught)
    return teachers[0].score if teachers else None


def _sorted(models: Sequence[Model]) -> list[Model]:
    """The best first; of equals the smaller; last those without a score."""
    return sorted(models, key=lambda one: (one.score is None, -(one.score or 0), one.parameters or 0))


def _model(run: Run, students: Sequence[Run], row: dict[str, Any]) -> Model:
    """A run as a row, with what a pipeline measured of it."""
    kind, score, all_scores, pupils = _kind(run), run.score, run.scores(), tuple[Run, ...]()
    if kind == TEACHER:
        taught = next((one for one in students if one.inputs.get("teacher") == run.weights), None)
        if taught is not None:  # as its students saw it
            score, all_scores = taught.result["teacher_score"], taught.scores("teacher_scores")
            pupils = (taught,)
    size = sum(file.stat().st_size for file in weight_files(run.path)) or None
    known: dict[str, Any] = {"retention": run.result.get("retention"), "parameters": run.result.get("parameters")}
    return Model(
        kind, run, **{"score": score, "bytes": size, **known, **_measured(row)}, scores=all_scores, taught=pupils
    )


def _untrained(model: Model, run: Run) -> Model:
    """The same student before its first step."""
    scores = run.scores("start_scores")
    score = scores[str(run.monitor)]
    return replace(model, kind=UNTRAINED, run=None, taught=(run,), score=score, scores=scores, retention=None)


def _measured(row: dict[str, Any]) -> dict[str, Any]:
    names = ("score", "retention", "parameters", "bytes", "latency_ms", "speedup")
    return {name: row[name] for name in names if name in row}


def _kind(run: Run) -> str:
    if run.stage == "task" and run.result.get("phases") == {}:
        return UNTRAINED
    if run.stage == "task" or (run.stage == "export" and run.result.get("origin")):
        return STUDENT
    return {"teacher": TEACHER, "student": BASELINE}.get(run.finetuned, OTHER)


def _unseen_teachers(students: Sequence[Run], seen: set[str], apart: dict[str, dict[str, Any]]) -> list[Model]:
    """Teachers that are no artifacts here, as their students and the pipelines tell of them."""
    unseen = {run.inputs.get("teacher"): run for run in students if run.inputs.get("teacher") not in seen}
    rows = list(apart.values()) if len(unseen) == len(apart) == 1 else [{}] * len(unseen)
    found = []
    for run, row in zip(unseen.values(), rows, strict=True):
        known = {**_measured(row), "score": run.result["teacher_score"], "retention": 100.0}
        found.append(Model(TEACHER, **known, scores=run.scores("teacher_scores"), taught=(run,)))
    return found


def _run_of_row(path: str, pipeline: Run, runs: Sequence[Run]) -> Run | None:
    """The run that a pipeline's row names, though its outputs have been moved; the nearest of those it may be."""
    exact = [run for run in runs if run.path == Path(path)]
    found = exact or [run for run in runs if run.path.parts[-2:] == Path(path).parts[-2:]]

    def shared(run: Run) -> int:
        pairs = zip(run.path.parts, pipeline.path.parts, strict=False)
        return next((i for i, (ours, theirs) in enumerate(pairs) if ours != theirs), len(run.path.parts))

    return max(found, key=shared, default=None)


def _with_export(models: Sequence[Model], export: Run) -> list[Model]:
    """Latency and size of those that only an export has measured; teacher and baseline where it alone knows of them."""
    measured = {row.kind: row for row in shipped(export) if row.runtime == PYTORCH}
    there = {model.kind for model in models}
    known = {KINDS[name]: score for name, score in export.result["scores"].items() if name != "student"}
    grown = [*models, *(Model(kind, score=score) for kind, score in known.items() if kind not in there)]
    teachers = sum(model.kind == TEACHER for model in grown)

    def filled(model: Model) -> Model:
        run = model.run
        own = run and (run.inputs.get("model") if run.stage == "export" else run.weights)
        kind = model.kind if model.kind == TEACHER and teachers == 1 else None
        row = measured.get(STUDENT if own == export.inputs.get("model") else kind or "")
        if row is None:
            return model
        if model.latency_ms is None and row.latency_ms is not None:
            model = replace(model, latency_ms=row.latency_ms, speedup=row.speedup)
        return replace(model, parameters=model.parameters or row.parameters, bytes=model.bytes or row.bytes)

    return [filled(model) for model in grown]
