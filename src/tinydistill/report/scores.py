"""Teachers, baselines and students of each task: how good, how small, how fast, the best first."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tinydistill.export.exported import PYTORCH
from tinydistill.report.collected import Collected, Run
from tinydistill.report.shipped import BASELINE, KINDS, OTHER, STUDENT, TEACHER, timed
from tinydistill.training.metrics import retention


@dataclass(frozen=True)
class Model:
    """One model of a task. `run` is None where what is known of it comes from another's record.

    Latency is the median for one row, fp32, one thread, PyTorch; `speedup` is over the teacher in the same run.
    """

    kind: str
    run: Run | None
    score: float | None
    retention: float | None = None
    scores: dict[str, float | None] = field(default_factory=dict)
    parameters: int | None = None
    bytes: int | None = None
    latency_ms: float | None = None
    speedup: float | None = None

    @property
    def name(self) -> str:
        """What tells it from others of its kind."""
        return "" if self.run is None else self.run.name


@dataclass(frozen=True)
class TaskScores:
    """All that is known of a task's models, the best first. `metric` is SPLIT/METRIC; `majority` has all of these."""

    title: str
    metric: str
    models: tuple[Model, ...]
    majority: dict[str, float | None]
    length: int | None
    exports: tuple[Run, ...]

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
        if run.result.get("monitor"):
            rows = str(run.settings.get("task", {}).get("rows"))
            groups.setdefault((str(run.task), run.result["monitor"], rows), []).append(run)
    known = {run.weights for runs in groups.values() for run in runs}
    for run in collected.of("evaluate", "export"):
        if run.settings.get("weights") not in known and run.result.get("monitor"):
            alike = [key for key in groups if key[:2] == (run.task, run.result["monitor"])]
            key = alike[0] if len(alike) == 1 else (str(run.task), run.result["monitor"], "")
            groups.setdefault(key, []).append(run)
    names = [name for name, _, _ in groups]
    return [
        _task(collected, key[0] if names.count(key[0]) == 1 else _told_apart(key, runs), key[1], runs)
        for key, runs in sorted(groups.items(), key=lambda item: item[0])
    ]


def _told_apart(key: tuple[str, str, str], runs: Sequence[Run]) -> str:
    """Tasks of the same name: other files, other versions of the same rows, or another metric."""
    name, metric, rows = key
    file = runs[0].configuration.get("task", {}).get("train")
    return f"{name} ({Path(file).name if file else metric}{f', rows {rows[:6]}' if rows else ''})"


def _task(collected: Collected, title: str, metric: str, runs: Sequence[Run]) -> TaskScores:
    students = [run for run in runs if run.stage == "task"]
    pipelines = sorted(collected.of("pipeline"), key=lambda run: run.record.get("finished", ""))
    measured: dict[Path, tuple[dict[str, Any], int | None]] = {}
    apart: dict[str, dict[str, Any]] = {}  # the pipelines' rows of models that are not among the runs, by path
    for pipeline in pipelines:
        for row in pipeline.result["models"]:
            if row["task"] == runs[0].task and row["metric"] == metric:
                run = _located(row["path"], pipeline, runs)
                if run is not None:
                    measured[run.path] = row, pipeline.settings.get("latency_length")
                elif row["model"] == TEACHER:
                    apart[row["path"]] = row
    models = [_model(run, students, measured.get(run.path, ({}, 0))[0]) for run in runs]
    models += _unseen_teachers(students, {model.run.weights for model in models if model.run}, apart)
    own = {run.weights for run in runs}
    exports = [run for run in collected.of("export") if run in runs or run.settings["weights"] in own]
    for export in exports:
        models = _with_export(models, export)
    teacher = _reference(models, students)
    models = [
        model if model.retention is not None else replace(model, retention=retention(model.score, teacher))
        for model in models
    ]
    lengths = [length for _, length in measured.values() if length]
    lengths = lengths or [timed(run)["length"] for run in exports if timed(run)]
    majority = next((flat(run.result["majority"]) for run in runs if run.result.get("majority")), {})
    return TaskScores(title, metric, tuple(_sorted(models)), majority, max(lengths, default=None), tuple(exports))


def _reference(models: Sequence[Model], students: Sequence[Run]) -> float | None:
    """The score that what has no teacher of its own is measured against: a teacher's that taught, if there is one."""
    taught = {run.settings["teacher"] for run in students}
    teachers = [model for model in _sorted(models) if model.kind == TEACHER]
    teachers.sort(key=lambda model: model.run is not None and model.run.weights not in taught)
    return teachers[0].score if teachers else None


def flat(scores: dict[str, dict[str, float | None]] | None) -> dict[str, float | None]:
    """Scores by split and metric as one dictionary of SPLIT/METRIC."""
    return {f"{split}/{name}": value for split, of in (scores or {}).items() for name, value in of.items()}


def _sorted(models: Sequence[Model]) -> list[Model]:
    """The best first; of equals the smaller; last those without a score."""
    return sorted(models, key=lambda one: (one.score is None, -(one.score or 0), one.parameters or 0))


def _model(run: Run, students: Sequence[Run], row: dict[str, Any]) -> Model:
    """A run as a row, with what a pipeline measured of it."""
    result = run.result
    kind, score, kept = _kind(run), result.get("score"), result.get("retention")
    all_scores = {} if run.stage == "export" else flat(result["scores"])
    if kind == TEACHER:
        told = next((one.result for one in students if one.settings["teacher"] == run.weights), None)
        if told is not None:  # as its students saw it
            score, all_scores = told["teacher_score"], flat(told["teacher_scores"])
    size = result.get("parameters")
    weights = sum(file.stat().st_size for file in run.path.glob("*.safetensors")) or None
    return Model(
        kind,
        run,
        row.get("score", score),
        row.get("retention", kept),
        all_scores,
        row.get("parameters", size),
        row.get("bytes", weights),
        row.get("latency_ms"),
        row.get("speedup"),
    )


def _kind(run: Run) -> str:
    if run.stage == "task" or (run.stage == "export" and run.result.get("origin")):
        return STUDENT
    if run.stage == "finetune":
        return TEACHER if run.configuration["finetune"]["model"] == "teacher" else BASELINE
    return OTHER


def _unseen_teachers(students: Sequence[Run], seen: set[str], apart: dict[str, dict[str, Any]]) -> list[Model]:
    """Teachers that are no artifacts here, as their students and the pipelines tell of them."""
    unseen = {run.settings["teacher"]: run for run in students if run.settings["teacher"] not in seen}
    rows = list(apart.values()) if len(unseen) == len(apart) == 1 else [{}] * len(unseen)
    return [
        Model(
            TEACHER,
            None,
            run.result["teacher_score"],
            100.0,
            flat(run.result["teacher_scores"]),
            *(row.get(name) for name in ("parameters", "bytes", "latency_ms", "speedup")),
        )
        for run, row in zip(unseen.values(), rows, strict=True)
    ]


def _located(path: str, pipeline: Run, runs: Sequence[Run]) -> Run | None:
    """The run that a pipeline's row names, though its outputs have been moved; the nearest of those it may be."""
    tail = Path(path).parts[-2:]
    exact = [run for run in runs if run.path == Path(path)]
    found = exact or [run for run in runs if run.path.parts[-2:] == tail]

    def shared(run: Run) -> int:
        pairs = zip(run.path.parts, pipeline.path.parts, strict=False)
        return next((i for i, (ours, theirs) in enumerate(pairs) if ours != theirs), len(run.path.parts))

    return max(found, key=shared, default=None)


def _with_export(models: Sequence[Model], export: Run) -> list[Model]:
    """Latency and size of those that only an export has measured; teacher and baseline where it alone knows of them."""
    latency = timed(export).get("latency", {})
    sizes = {KINDS[row["model"]]: row for row in export.result["sizes"]}
    base = latency.get(f"teacher, {PYTORCH}", {}).get("median")
    there = {model.kind for model in models}
    known = {KINDS[name]: score for name, score in export.result["scores"].items() if name != "student"}
    grown = [*models, *(Model(kind, None, score) for kind, score in known.items() if kind not in there)]
    teachers = sum(model.kind == TEACHER for model in grown)

    def filled(model: Model) -> Model:
        theirs = model.run is not None and export.settings["weights"] in (model.run.weights, _source(model.run))
        kind = STUDENT if theirs else TEACHER if model.kind == TEACHER and teachers == 1 else None
        if kind is None:
            return model
        word = "student" if kind == STUDENT else "teacher"
        ms, size = latency.get(f"{word}, {PYTORCH}", {}).get("median"), sizes.get(kind)
        if model.latency_ms is None and ms is not None:
            model = replace(model, latency_ms=ms, speedup=base / ms if base else None)
        if size is None:
            return model
        whole = sum(size[part] for part in ("embedding", "encoder", "head"))
        return replace(model, parameters=model.parameters or whole, bytes=model.bytes or size["bytes"][PYTORCH])

    return [filled(model) for model in grown]


def _source(run: Run) -> str | None:
    return run.settings["weights"] if run.stage == "export" else None
