"""stage=task: a student learns a task from a fine-tuned teacher: its inner layers first, then its logits."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Timer
from transformers import PreTrainedModel

from tinydistill.artifacts.files import file_hash
from tinydistill.artifacts.writer import ArtifactWriter, open_artifact
from tinydistill.config.build import data
from tinydistill.config.build.imitation import imitation
from tinydistill.config.build.models import check_fit, check_task_head
from tinydistill.config.build.sources import check_length, find_task_student, find_task_teacher
from tinydistill.config.build.trainer import frozen_dtype, precision, stepping, trainer
from tinydistill.config.compose import plain
from tinydistill.config.dependencies import of_distilled
from tinydistill.config.names import distilled_path, output_path
from tinydistill.config.schema import Config
from tinydistill.config.schema.stages import Intermediate, Prediction
from tinydistill.console import count, duration, say, table
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.distillation import layer_phase
from tinydistill.distillation.layer_distiller import LayerDistiller
from tinydistill.distillation.layer_phase import show_layers
from tinydistill.distillation.logit_distiller import LogitDistiller, MergedDistiller
from tinydistill.distillation.teacher_checks import check_score
from tinydistill.distillation.teacher_logits import stored_logits
from tinydistill.errors import InputError, UserError
from tinydistill.models import loading
from tinydistill.models.heads import add_head
from tinydistill.models.loading import parameters
from tinydistill.models.source import Source, check_vocabularies
from tinydistill.ranks import rank
from tinydistill.training import metrics, runtime, scoring
from tinydistill.training.checkpoints import last_checkpoint
from tinydistill.training.classifier import Scoring
from tinydistill.training.dashboards import TeachersLine
from tinydistill.training.once import once
from tinydistill.training.task_fit import fit_task, watching

PHASES = {
    "both": ("intermediate", "prediction"),
    "intermediate": ("intermediate",),
    "prediction": ("prediction",),
    "merged": ("merged",),
}


def run(config: Config) -> float:
    """Publish a student of the task; return the score that chose it, or with no prediction phase the held-out loss."""
    runtime.quiet()
    phases = PHASES[config.distill.phases]
    teacher, student = find_task_teacher(config), find_task_student(config)
    check_vocabularies(teacher, student)
    check_length(config, teacher, student)
    if phases != ("prediction",):
        check_fit(config, student.config, teacher.config, given=True)
    task = data.training_task(config)
    check_task_head(teacher, task.target, check_labels=config.distill.check_labels)
    data.scoring(config, task)
    settings = of_distilled(config).settings(
        teacher=teacher.identity,
        student=student.identity,
        task=task.identity(),
        augmentation=_augmentation(config.augmentation.path),
    )
    path, inputs = output_path(config, distilled_path(config)), [teacher.path, student.path, config.augmentation.path]
    with open_artifact(path, settings, overwrite=config.overwrite, inputs=inputs) as artifact:
        if artifact.result is not None:
            say("finished before with the same settings")
            return _report(artifact, artifact.result)
        return _report(artifact, _distill(config, artifact, task, teacher, student))


def _augmentation(path: str | None) -> str | None:
    if path is not None and not Path(path).is_file():
        raise UserError(f"augmentation.path={path}: there is no such file; make it with stage=augment")
    return None if path is None else file_hash(Path(path))


def _distill(
    config: Config, artifact: ArtifactWriter, task: TaskSource, teacher: Source, given: Source
) -> dict[str, Any]:
    phases, scored = PHASES[config.distill.phases], data.scoring(config, task)
    load_teacher = functools.cache(lambda: teacher.classifier(task.target.labels, dtype=frozen_dtype(config)))
    rows = _rows(config, task, teacher, _options(config, phases[-1]))
    scoring.announce(config.task.name, rows)

    def logits(split: Split) -> Any:
        precise = f"{teacher.identity} {precision(config)}"
        return stored_logits(rows, split, precise, lambda: load_teacher().to(_device(config)))

    first = rows.validation[scored.reported_split]
    if config.distill.check_score:
        check_score(first, task.target, logits(first), called=f"{teacher.called}={teacher.path}")
    teacher_scores = {name: _scores(scored, split, logits(split)) for name, split in rows.validation.items()}
    student = _student(config, given, task)
    work = _Phases(config, artifact, task, teacher, load_teacher, student, scored, teacher_scores)
    reports = {}
    for phase in phases:
        if phase != "intermediate":
            rows.teacher_logits = logits(rows.train)
        reports[phase] = work.once(phase, rows)
    result = {
        **_compare(scored, reports[phases[-1]].get("scores"), teacher_scores),
        "majority": scoring.majority_scores(scored, rows.validation),
        "phases": reports,
        "rows": {split.name: len(split) for split in (rows.train, *rows.validation.values())},
        "parameters": parameters(student),
        "seconds": round(sum(report["seconds"] for report in reports.values()), 1),
    }
    if rank() == 0:
        loading.save_model(student, teacher.tokenizer, artifact.product)
        for phase in phases:
            artifact.keep_logs(work.directory(phase), phase)
        artifact.publish(result, plain(config))
    return result


@dataclass(frozen=True)
class _Phases:
    """The phases of task distillation: each is run once, in a directory of its own."""

    config: Config
    artifact: ArtifactWriter
    task: TaskSource
    teacher: Source
    load_teacher: Callable[[], PreTrainedModel]
    student: PreTrainedModel
    scored: Scoring
    teacher_scores: dict[str, scoring.Scores]

    def directory(self, phase: str) -> Path:
        """Where a phase works; loggers name the run after it."""
        return self.artifact.work / f"{self.artifact.path.name}-{phase}"

    def once(self, phase: str, rows: TaskDataModule) -> dict[str, Any]:
        """Run a phase on the student; where an earlier run has finished it, take its weights and report from there."""

        def train() -> dict[str, Any]:
            say()
            say(f"{phase} phase")
            pl.seed_everything(self.config.seed, verbose=False)
            phases = {"intermediate": self._intermediate, "prediction": self._prediction, "merged": self._merged}
            return phases[phase](rows)

        return once(self.directory(phase), self.student, train)

    def _intermediate(self, _: TaskDataModule) -> dict[str, Any]:
        config, directory = self.config, self.directory("intermediate")
        options = config.intermediate
        rows = _rows(config, self.task, self.teacher, options)
        encoder, student = self.load_teacher().cpu().base_model, self.student.base_model
        train = self._trainer("intermediate", options, monitor="heldout/loss", mode="min")
        objective, initialize = imitation(config, directory, rows, encoder, student, given=True)
        module = LayerDistiller(encoder, student, objective, learning_rate=options.learning_rate, **stepping(config))
        return layer_phase.distill_layers(train, module, rows, directory=directory, initialize=initialize)

    def _prediction(self, rows: TaskDataModule) -> dict[str, Any]:
        train = self._trainer("prediction", self.config.prediction)
        module = LogitDistiller(self.student, self.scored, **self._softness())
        return fit_task(train, module, rows, checkpoint=last_checkpoint(self.directory("prediction")))

    def _merged(self, rows: TaskDataModule) -> dict[str, Any]:
        config, directory = self.config, self.directory("merged")
        encoder = self.load_teacher().cpu().base_model
        objective, initialize = imitation(config, directory, rows, encoder, self.student.base_model, given=True)
        measuring = trainer(config, directory)
        layers = LayerDistiller(encoder, self.student.base_model, objective)
        before = layer_phase.begin(measuring, layers, rows, directory, initialize)
        train = self._trainer("merged", config.prediction)
        module = MergedDistiller(encoder, self.student, objective, self.scored, **self._softness())
        report = fit_task(train, module, rows, checkpoint=last_checkpoint(directory))
        return {**report, **layer_phase.end(measuring, layers, rows, before)}

    def _softness(self) -> dict[str, Any]:
        options = self.config.prediction
        return {
            "learning_rate": options.learning_rate,
            "temperature": options.temperature,
            "scale_by_temperature": options.scale_by_temperature,
            "hard_share": options.hard_share,
            **stepping(self.config),
        }

    def _trainer(
        self, phase: str, options: Intermediate | Prediction, monitor: str | None = None, mode: str = "max"
    ) -> pl.Trainer:
        """For a score, the best weights are kept, and the teacher's score is logged beside it."""
        directory = self.directory(phase)
        callbacks: list[pl.Callback] = [Timer()]
        if monitor is None:
            monitor = self.scored.monitored
            callbacks = [*watching(directory, self.scored), TeachersLine(self.teacher_scores)]
        return trainer(
            self.config,
            directory,
            options,
            epochs=options.epochs,
            max_steps=options.max_steps,
            monitor=monitor,
            mode=mode,
            callbacks=callbacks,
            artifact=self.artifact,
        )


def _options(config: Config, phase: str) -> Intermediate | Prediction:
    return config.intermediate if phase == "intermediate" else config.prediction


def _rows(config: Config, task: TaskSource, teacher: Source, options: Intermediate | Prediction) -> TaskDataModule:
    """The task's rows for a phase, or the augmented ones that take their place."""
    return data.task_data(
        config, task, teacher.tokenizer, batch_size=options.batch_size, augmentation=config.augmentation.path
    )


def _student(config: Config, source: Source, task: TaskSource) -> PreTrainedModel:
    """The encoder under a new head; one that was trained on this very task keeps its own."""
    try:
        check_task_head(source, task.target)
    except InputError:
        say(f"{source.called}={source.path} gets a new head for this task")
        return add_head(source.encoder(), task.target.labels, seed=config.seed)
    say(f"{source.called}={source.path} has a head for this task, which it keeps")
    return source.classifier(task.target.labels)


def _device(config: Config) -> torch.device:
    gpu = config.trainer.get("accelerator") != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if gpu else "cpu")


def _scores(scored: Scoring, split: Split, logits: Any) -> scoring.Scores:
    """The teacher's, from its logits [N, C]."""
    answers = metrics.predicted(torch.from_numpy(logits.copy()), regression=scored.regression)
    return scoring.score(scored, answers, torch.from_numpy(split.labels))


def _compare(
    scored: Scoring, scores: dict[str, scoring.Scores] | None, teacher: dict[str, scoring.Scores]
) -> dict[str, Any]:
    """The student's scores, the teacher's, and the share of the reported one in percent that the student retains."""
    ours, theirs = scoring.in_short(scored, scores), scoring.in_short(scored, teacher)["score"]
    compared = {"teacher_score": theirs, "retention": metrics.retention(ours["score"], theirs)}
    return {**ours, **compared, "scores": scores, "teacher_scores": teacher}


def _report(artifact: ArtifactWriter, result: dict[str, Any]) -> float:
    reports = result["phases"]
    for report in reports.values():
        if "layers" in report:
            show_layers(report["layers"])
    say()
    sides = ("scores", "teacher_scores", "majority")
    rows = [
        (f"{split} {metric}", *(result[side][split][metric] for side in sides))
        for split, of_split in (result["scores"] or {}).items()
        for metric in of_split
    ]
    if rows:
        table("student and teacher on the task", ("split, metric", "student", "teacher", "majority class"), rows)
    steps = " and ".join(f"{report['steps']} {phase} steps" for phase, report in reports.items())
    retained = "" if result["retention"] is None else f"; the student retains {result['retention']:.1f}% of the teacher"
    say(f"{count(result['parameters'])} parameters, {steps} in {duration(result['seconds'])}{retained}")
    say(f"artifact: {artifact.path}")
    if result["scores"] is None:
        return float(reports["intermediate"]["heldout_loss"])
    return scoring.merit(result)
