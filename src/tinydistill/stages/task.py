"""stage=task: a student learns a task from a fine-tuned teacher: its inner layers first, then its logits."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from tinydistill.artifacts.files import check, file_hash
from tinydistill.artifacts.writer import ArtifactWriter, open_artifact
from tinydistill.config.build import data, vocabulary
from tinydistill.config.build.imitation import new_encoder
from tinydistill.config.build.models import check_fit, check_task_head, new_student_config
from tinydistill.config.build.phases import BY_NAME, TaskPhases
from tinydistill.config.build.sources import check_length, find_start, find_task_teacher, find_teacher
from tinydistill.config.build.teaching import TaskTeacher
from tinydistill.config.compose import plain
from tinydistill.config.dependencies import of_distilled
from tinydistill.config.names import distilled_path, output_path
from tinydistill.config.schema import Config
from tinydistill.console import count, duration, say, table
from tinydistill.data.files import check_file
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.data.text.sources import Corpus
from tinydistill.distillation.layer_phase import show_layers
from tinydistill.errors import InputError, UserError
from tinydistill.initialization.start import check_start
from tinydistill.kinds import kind_of
from tinydistill.kinds.metrics import retention
from tinydistill.models import loading
from tinydistill.models.heads import Head, add_head
from tinydistill.models.loading import parameters
from tinydistill.models.source import Source, check_vocabularies
from tinydistill.ranks import rank
from tinydistill.training import runtime, scoring
from tinydistill.training.classifier import Scoring
from tinydistill.training.prediction_files import PREDICTIONS, prediction_file, write_predictions


def run(config: Config) -> float:
    """Publish a student of the task; return the score that chose it."""
    runtime.quiet()
    soft = bool(config.task.soft_labels)  # which stand for the answers of a teacher
    teacher, start = find_teacher(config) if soft else find_task_teacher(config), find_start(config)
    if start is None:
        vocabulary.check(config, teacher)
    elif soft or config.distill.phases != "prediction":
        check_vocabularies(teacher, start)
    check_length(config, teacher, *([start] if start else []))
    ours = start.config if start else new_student_config(config, teacher.config)
    if config.distill.phases not in ("prediction", "none"):
        check_fit(config, ours, teacher.config, given=start is not None)
    elif start is None:
        check_start(ours, teacher.config, config.student.init)
    task = data.training_task(config)
    if not soft:
        check_task_head(teacher, task.target, check_labels=config.distill.check_labels)
    data.scoring(config, task)
    corpus = data.corpus(config) if start is None and vocabulary.is_cut(config) else None
    answering = None if soft else kind_of(task.target).read_from(teacher.config)
    settings = of_distilled(config).settings(
        teacher=teacher.identity,
        student=start.identity if start else None,
        task=task.identity(),
        augmentation=_augmentation(config.augmentation.path),
        **_unlabeled(config.task.unlabeled),
        **({} if corpus is None else {"corpus": corpus.identity()}),
    )
    if answering is not None and answering.configuration:
        settings["options"] |= {"teacher": answering.configuration}
    path = output_path(config, distilled_path(config))
    inputs = {
        "teacher": teacher.path,
        "student": start.path if start else None,
        "augmentation": config.augmentation.path,
    }
    with open_artifact(path, settings, overwrite=config.overwrite, inputs=inputs) as artifact:
        if artifact.result is not None:
            say("finished before with the same settings")
            return _report(artifact, artifact.result)
        return _report(artifact, _distill(config, artifact, task, teacher, start, corpus))


def _augmentation(path: str | None) -> str | None:
    if path is None:
        return None
    check_file(Path(path), "{TaskDataModule.augmentation}, which {stage:augment} makes")
    check(Path(path).parent, Path(path).name.__eq__)
    return file_hash(Path(path))


def _unlabeled(path: str | None) -> dict[str, str]:
    if path is None:
        return {}
    check_file(Path(path), "{TaskDataModule.unlabeled}")
    return {"unlabeled": file_hash(Path(path))}


def _distill(
    config: Config,
    artifact: ArtifactWriter,
    task: TaskSource,
    teacher: Source,
    start: Source | None,
    corpus: Corpus | None,
) -> dict[str, Any]:
    begun, scored = time.monotonic(), data.scoring(config, task)
    tokenizer = (start or teacher).tokenizer
    if corpus is not None:
        tokenizer = vocabulary.of_task(config, teacher, task, corpus, distilled=True).tokenizer
    head = scored.kind.head.like(
        teacher.path, teacher.revision, max_length=config.task.max_length, called=teacher.called
    )
    rows = {
        phase: data.task_data(config, task, tokenizer, batch_size=options.batch_size, distilled=True)
        for phase, options in (("intermediate", config.intermediate), ("prediction", config.prediction))
    }
    labeled = rows["prediction"]
    _check_labels(config, labeled)
    scoring.announce(config.task.name, labeled)
    lacking = vocabulary.fallback(config, labeled, teacher.tokenizer)

    teaching = _teaching(config, teacher, scored, rows, head)
    scored = replace(scored, splits=teaching.scored.splits)
    teacher_scores = teaching.scores()
    labeled.teacher_logits = teaching.training_logits()
    student, new_head = _student(config, start, teaching.load, labeled, head)
    work = TaskPhases(config, artifact, rows, teaching.load, student, new_head, scored, teacher_scores)
    begin = work.once("start")
    seconds = time.monotonic() - begun
    reports = {phase: work.once(phase) for phase in BY_NAME[config.distill.phases]}
    last = list(reports.values())[-1] if reports else begin
    last = last if "scores" in last else work.score()
    trained = last["scores"]
    if worse := _is_worse(scored, trained, begin["scores"]):
        last = work.restart()
    result = {
        **_compare(scored, last["scores"], teacher_scores),
        "start": {"kind": "given" if start else config.student.init, "seconds": round(seconds, 1)},
        "start_scores": begin["scores"],
        **({"trained_scores": trained} if worse else {}),
        "majority": scoring.majority_scores(scored),
        "phases": reports,
        "rows": {split.name: len(split) for split in (labeled.train, *labeled.validation.values())},
        "parameters": parameters(student),
        **({} if lacking is None else {"vocabulary": lacking}),
        "seconds": round(seconds + sum(report["seconds"] for report in reports.values()), 1),
    }
    if rank() == 0:
        loading.save_model(student, tokenizer, artifact.product, max_length=config.task.max_length)
        for phase in reports:
            artifact.keep_logs(work.directory(phase), phase)
        artifact.keep(artifact.work / PREDICTIONS)
        for name, split in labeled.validation.items():
            if (logits := teaching.logits(split)) is not None:
                file = prediction_file(artifact.product, name, of="teacher")
                write_predictions(file, split, teaching.scored.kind, logits, teaching.encoded(split))
        artifact.publish(result, plain(config))
    return result


def _check_labels(config: Config, rows: TaskDataModule) -> None:
    """Raises UserError where training asks for labels that the rows don't have."""
    if not config.prediction.hard_share or rows.train.labels is not None:
        return
    rows_of = f"task={config.task.name}"
    if config.augmentation.path is not None:
        rows_of = f"augmentation.path={config.augmentation.path}"
    if config.task.unlabeled is not None:
        rows_of = f"task.unlabeled={config.task.unlabeled}"
    raise UserError(
        f"prediction.hard_share={config.prediction.hard_share:g} learns from labels, which the rows of {rows_of} "
        "don't have: take prediction.hard_share=0"
    )


def _teaching(
    config: Config, teacher: Source, scored: Scoring, rows: Mapping[str, TaskDataModule], head: Head
) -> TaskTeacher:
    """The checked teacher; where its answers are what students are scored against, the rows are given them."""
    labeled = rows["prediction"]
    teaching = TaskTeacher(config, teacher, scored, labeled, head)
    teaching.check_tokens()
    if scored.kind.scored_by_teacher:
        told = {name: teaching.logits(split) for name, split in labeled.validation.items() if split.labels is None}
        for of_phase in rows.values():
            of_phase.label_validation(told)
        teaching = replace(teaching, scored=replace(scored, splits=labeled.validation))
    teaching = teaching.as_it_answers()
    if config.distill.check_score:
        teaching.check()
    return teaching


def _student(
    config: Config,
    start: Source | None,
    load_teacher: Callable[[], PreTrainedModel],
    rows: TaskDataModule,
    head: Head,
) -> tuple[PreTrainedModel, bool]:
    """What the phases begin with, and whether its head is new; one that was trained on this very task keeps its own."""
    if start is None:
        say(f"a new student of this task: {config.student.init}")
        encoder = new_encoder(config, load_teacher().cpu(), rows, config.distill.sample_tokens)
        return add_head(encoder, head, seed=config.seed), True
    try:
        check_task_head(start, rows.target, head=head)
    except InputError:
        say(f"{start.called}={start.path} gets a new head for this task")
        return add_head(start.encoder(), head, seed=config.seed), True
    say(f"{start.called}={start.path} has a head for this task, which it keeps")
    return start.with_head(head), False


def _compare(scored: Scoring, scores: dict[str, scoring.Scores], teacher: dict[str, scoring.Scores]) -> dict[str, Any]:
    """The student's scores, the teacher's, and the share of the reported one in percent that the student retains."""
    ours, theirs = scoring.in_short(scored, scores), scoring.in_short(scored, teacher)["score"]
    compared = {"teacher_score": theirs, "retention": retention(ours["score"], theirs)}
    return {**ours, **compared, "scores": scores, "teacher_scores": teacher}


def _is_worse(scored: Scoring, trained: dict[str, scoring.Scores], start: dict[str, scoring.Scores]) -> bool:
    """Whether training has lowered the score that weights are chosen by."""
    after, before = (scoring.in_short(scored, scores)["selection_score"] for scores in (trained, start))
    return after is not None and before is not None and after < before


def _report(artifact: ArtifactWriter, result: dict[str, Any]) -> float:
    reports = result["phases"]
    for report in reports.values():
        if "layers" in report:
            show_layers(report["layers"])
    say()
    sides = (result["start_scores"], result["scores"], result["teacher_scores"], result["majority"])
    rows = [
        (f"{split} {metric}", *(of[split][metric] for of in sides))
        for split, of_split in result["scores"].items()
        for metric in of_split
    ]
    table(
        "student and teacher on the task",
        ("split, metric", "student at the start", "student", "teacher", "majority class"),
        rows,
    )
    if "vocabulary" in result:
        vocabulary.tell(result["vocabulary"])
    split, _, metric = result["chosen_by"].rpartition("/")
    if "trained_scores" in result:
        before, after = (result[scores][split][metric] for scores in ("start_scores", "trained_scores"))
        say(
            f"training made the student worse, {split} {metric} {before:.3f} -> {after:.3f}: it is kept as it began. "
            "A lower prediction.learning_rate may help"
        )
    steps = " and ".join(f"{report['steps']} {phase} steps" for phase, report in reports.items()) or "no step"
    retained = "" if result["retention"] is None else f"; the student retains {result['retention']:.1f}% of the teacher"
    say(f"{count(result['parameters'])} parameters, {steps} in {duration(result['seconds'])}{retained}")
    say(f"artifact: {artifact.path}")
    return scoring.merit(result)
