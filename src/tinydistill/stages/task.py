"""stage=task: a student learns a task from a fine-tuned teacher: its inner layers first, then its logits."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from tinydistill.artifacts import inputs as lineage
from tinydistill.artifacts.writer import ArtifactWriter, file_hash, open_artifact
from tinydistill.config.build import data as inputs
from tinydistill.config.build import models as parts
from tinydistill.config.build import phases
from tinydistill.config.build import training as trainers
from tinydistill.config.build.sources import (
    Source,
    Values,
    check_vocabularies,
    distilled_path,
    find_task_student,
    find_task_teacher,
    output_path,
)
from tinydistill.console import count, duration, say, table
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.distillation import teacher_checks as preflight
from tinydistill.distillation.layer_phase import distill_layers
from tinydistill.distillation.layer_report import show_layers
from tinydistill.distillation.teacher_logits import stored_logits
from tinydistill.errors import UserError
from tinydistill.models import heads
from tinydistill.models import loading as models
from tinydistill.ranks import rank
from tinydistill.training import metrics, runtime, scoring
from tinydistill.training.classifier import Scoring

PHASES = {
    "both": ("intermediate", "prediction"),
    "intermediate": ("intermediate",),
    "prediction": ("prediction",),
    "merged": ("merged",),
}


def run(values: Values) -> float:
    """Publishes a student of the task; returns its monitored score, or without a prediction phase the held-out loss."""
    runtime.quiet()
    options, chosen = values["distill"], PHASES[values["distill"]["phases"]]
    teacher, student = find_task_teacher(values), find_task_student(values)
    check_vocabularies(teacher, student)
    scoring.check_length(values, teacher, student)
    layered = chosen != ("prediction",)
    if layered:
        parts.check_fit(_starting_from(student, values), student.config, teacher.config)
    task = inputs.task(values)
    anyway = "; if the teacher's names are wrong, go on with distill.check_labels=false"
    preflight.check_head(teacher, task.target, names=options["check_labels"], anyway=anyway)
    scoring.scoring(values, task)
    settings = {
        "seed": values["seed"],
        "teacher": teacher.identity,
        "student": student.identity,
        "task": scoring.settings(values, task),
        "augmentation": _augmentation(values),
        "phases": {phase: values[phases.OPTIONS[phase]] for phase in chosen},
    }
    if layered:
        settings |= {name: values[name] for name in ("mapping", "objective")}
    path = output_path(values, distilled_path(values))
    with open_artifact(path, settings, overwrite=values["overwrite"]) as place:
        if place.result is not None:
            say("finished before with the same settings")
            return _report(place, place.result)
        lineage.record(place, [teacher.path, student.path, values["augmentation"]["path"]])
        return _report(place, _distill(values, place, task, teacher, student))


def _starting_from(student: Source, values: Values) -> Values:
    return {**values, "student": {**values["student"], "path": student.path}}


def _augmentation(values: Values) -> str | None:
    path = values["augmentation"]["path"]
    if path is None:
        return None
    if not Path(path).is_file():
        raise UserError(f"augmentation.path={path}: there is no such file; make it with stage=augment")
    return file_hash(Path(path))


def _distill(
    values: Values, place: ArtifactWriter, task: TaskSource, teacher: Source, student_source: Source
) -> dict[str, Any]:
    chosen, scored = PHASES[values["distill"]["phases"]], scoring.scoring(values, task)
    load_teacher = functools.cache(lambda: _teacher(values, teacher, task))
    data = phases.rows(values, task, teacher, chosen[-1])
    scoring.announce(values["task"]["name"], data)

    def logits(split: Split) -> Any:
        precise = f"{teacher.identity} {trainers.precision(values)}"
        return stored_logits(data, split, precise, lambda: load_teacher().to(_device(values)))

    first = data.validation[scored.splits[0]]
    if values["distill"]["check_score"]:
        preflight.check_score(teacher, first, task.target, logits(first))
    teacher_scores = {name: _scores(scored, split, logits(split)) for name, split in data.validation.items()}
    student = _student(values, student_source, task)

    def directory(phase: str) -> Path:
        return place.work / f"{place.path.name}-{phase}"  # loggers name the run after it

    def intermediate() -> dict[str, Any]:
        rows = phases.rows(values, task, teacher, "intermediate")
        return distill_layers(
            _starting_from(student_source, values),
            values["intermediate"],
            directory("intermediate"),
            rows,
            rows.loader(first),
            functools.partial(scoring.sample_batches, rows),
            load_teacher().cpu().base_model,
            student.base_model,
        )

    def prediction() -> dict[str, Any]:
        data.teacher_logits = logits(data.train)
        return phases.predict(values, directory("prediction"), data, student, scored, teacher_scores)

    def merged() -> dict[str, Any]:
        data.teacher_logits = logits(data.train)
        encoder = load_teacher().cpu().base_model
        starting = _starting_from(student_source, values)
        return phases.learn_at_once(starting, directory("merged"), data, student, encoder, scored, teacher_scores)

    work: dict[str, Callable[[], dict[str, Any]]] = {
        "intermediate": intermediate,
        "prediction": prediction,
        "merged": merged,
    }
    reports = {phase: phases.once(directory(phase), student, work[phase]) for phase in chosen}
    result = {
        **_compare(scored, reports[chosen[-1]].get("scores"), teacher_scores),
        "majority": scoring.majority_scores(scored, data.validation),
        "phases": reports,
        "rows": {split.name: len(split) for split in (data.train, *data.validation.values())},
        "parameters": models.parameters(student),
        "seconds": round(sum(report["seconds"] for report in reports.values()), 1),
    }
    if rank() == 0:
        models.save_classifier(student, teacher.tokenizer, place.product)
        for phase in chosen:
            place.keep_logs(directory(phase), phase)
        place.publish(result, values)
    return result


def _teacher(values: Values, source: Source, task: TaskSource) -> PreTrainedModel:
    labels, dtype = task.target.labels, trainers.frozen_dtype(values)
    return heads.load_classifier(source.path, labels, revision=source.revision, dtype=dtype, override=source.override)


def _student(values: Values, source: Source, task: TaskSource) -> PreTrainedModel:
    """The encoder under a new head; one that was trained on this very task keeps its own."""
    try:
        preflight.check_head(source, task.target)
    except UserError:
        say(f"{source.override}={source.path} gets a new head for this task")
        encoder = models.load_encoder(source.path, override=source.override)
        return heads.add_head(encoder, task.target.labels, seed=values["seed"])
    say(f"{source.override}={source.path} has a head for this task, which it keeps")
    return heads.load_classifier(source.path, task.target.labels, override=source.override)


def _device(values: Values) -> torch.device:
    gpu = values["trainer"]["accelerator"] != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if gpu else "cpu")


def _scores(scored: Scoring, split: Split, logits: Any) -> scoring.Scores:
    """The teacher's, from its logits [N, C]."""
    answers = metrics.predicted(torch.from_numpy(logits.copy()), regression=scored.regression)
    return scoring.score(scored, answers, torch.from_numpy(split.labels))


def _compare(
    scored: Scoring, scores: Mapping[str, scoring.Scores] | None, teacher: Mapping[str, scoring.Scores]
) -> dict[str, Any]:
    """The student's scores, the teacher's, and the share of the monitored one in percent that the student retains."""
    theirs = teacher[scored.splits[0]][scored.monitor]
    ours = scores[scored.splits[0]][scored.monitor] if scores else None
    retention = metrics.retention(ours, theirs)
    compared = {"score": ours, "teacher_score": theirs, "retention": retention, "monitor": scored.monitored}
    return {**compared, "scores": scores, "teacher_scores": teacher}


def _report(place: ArtifactWriter, result: dict[str, Any]) -> float:
    reports = result["phases"]
    for report in reports.values():
        if "layers" in report:
            show_layers(report["layers"])
    say()
    sides = ("scores", "teacher_scores", "majority")
    rows = [
        (f"{split} {metric}", *(scoring.cell(result[side][split][metric]) for side in sides))
        for split, of_split in (result["scores"] or {}).items()
        for metric in of_split
    ]
    if rows:
        table("student and teacher on the task", ("split, metric", "student", "teacher", "majority class"), rows)
    steps = " and ".join(f"{report['steps']} {phase} steps" for phase, report in reports.items())
    retained = "" if result["retention"] is None else f"; the student retains {result['retention']:.1f}% of the teacher"
    say(f"{count(result['parameters'])} parameters, {steps} in {duration(result['seconds'])}{retained}")
    say(f"artifact: {place.path}")
    if result["scores"] is None:
        return float(reports["intermediate"]["heldout_loss"])
    return float("nan") if result["score"] is None else float(result["score"])
