"""The phases of task distillation: the rows, the module and the trainer of each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Timer
from transformers import PreTrainedModel

from tinydistill.artifacts.writer import ArtifactWriter
from tinydistill.config.build.imitation import imitation
from tinydistill.config.build.trainer import stepping, trainer
from tinydistill.config.schema import Config
from tinydistill.config.schema.stages import Intermediate, Prediction
from tinydistill.console import say
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.distillation import layer_phase
from tinydistill.distillation.layer_distiller import LayerDistiller
from tinydistill.distillation.logit_distiller import LogitDistiller, MergedDistiller
from tinydistill.errors import RunError
from tinydistill.initialization.head import solve_head
from tinydistill.ranks import rank
from tinydistill.training import scoring
from tinydistill.training.checkpoints import last_checkpoint
from tinydistill.training.classifier import Scoring
from tinydistill.training.dashboards import TeachersLine
from tinydistill.training.once import once, restore
from tinydistill.training.prediction_files import write_validated
from tinydistill.training.task_fit import fit_task, watching

BY_NAME = {
    "both": ("intermediate", "prediction"),
    "intermediate": ("intermediate",),
    "prediction": ("prediction",),
    "merged": ("merged",),
    "none": (),
}


@dataclass(frozen=True)
class TaskPhases:
    """The phases of a student of a task, each run once, in a directory of its own below the artifact's.

    Attributes:
        rows: the task's, by phase, with the teacher's logits on those that are trained on.
        load_teacher: the fine-tuned teacher, loaded once.
        student: with its head; `new_head` says that nothing has trained that yet.
        scored: how the student is scored, `teacher_scores` what its teacher has.
    """

    config: Config
    artifact: ArtifactWriter
    rows: dict[str, TaskDataModule]
    load_teacher: Callable[[], PreTrainedModel]
    student: PreTrainedModel
    new_head: bool
    scored: Scoring
    teacher_scores: dict[str, scoring.Scores]

    def directory(self, phase: str) -> Path:
        """Where a phase works; loggers name the run after it."""
        return self.artifact.work / f"{self.artifact.path.name}-{phase}"

    def once(self, phase: str) -> dict[str, Any]:
        """Run a phase on the student; where an earlier run has finished it, take its weights and report from there."""
        phases = {
            "start": self._start,
            "intermediate": self._intermediate,
            "prediction": self._prediction,
            "merged": self._merged,
        }

        def run() -> dict[str, Any]:
            if phase != "start":
                say()
                say(f"{phase} phase")
            pl.seed_everything(self.config.seed, verbose=False)
            try:
                return phases[phase]()
            except RunError as error:
                raise error.within(f"{phase} phase") from error

        return once(self.directory(phase), self.student, run)

    def restart(self) -> dict[str, Any]:
        """The student as it began, with its scores; its predictions are written."""
        if restore(self.directory("start"), self.student) is None:
            raise RunError(f"{self.directory('start')} was changed meanwhile: the same command makes it again")
        return self._measure()

    def score(self, of: str = "") -> dict[str, Any]:
        """The student's scores as it is, under a head solved for if it has a new one; its predictions are written."""
        self._solve_head()
        return self._measure(of)

    def _measure(self, of: str = "") -> dict[str, Any]:
        """The student's scores with its own head, as `scores` of a phase's report; its predictions are written."""
        rows, module = self.rows["prediction"], LogitDistiller(self.student, self.scored)
        scores = scoring.validate(trainer(self.config, self.directory("start")), module, rows)
        if rank() == 0:
            write_validated(self.artifact.work, module.as_scored, module.validated(), rows, of)
        return {"scores": scores, **scoring.configure(module)}

    def _start(self) -> dict[str, Any]:
        return self.score("start" if BY_NAME[self.config.distill.phases] else "")

    def _solve_head(self) -> None:
        if self.new_head and self.config.distill.head == "solved":
            tokens = self.config.distill.head_tokens
            batches = self.rows["prediction"].sample_batches(tokens, logits=True)
            kind = self.scored.kind
            unexplained = solve_head(self.student, batches, per_window=kind.compared_within_window)
            what = f"the teacher's {kind.outputs_called}"
            say(f"head solved onto {what}: {unexplained:.0%} of their held-out variance unexplained")

    def _intermediate(self) -> dict[str, Any]:
        config, directory, rows = self.config, self.directory("intermediate"), self.rows["intermediate"]
        options = config.intermediate
        encoder, student = self.load_teacher().cpu().base_model, self.student.base_model
        train = self._trainer("intermediate", options, monitor="heldout/loss", mode="min")
        objective, initialize = imitation(config, directory, rows, encoder, student, given=True)
        module = LayerDistiller(encoder, student, objective, learning_rate=options.learning_rate, **stepping(config))
        return layer_phase.distill_layers(train, module, rows, directory=directory, initialize=initialize)

    def _prediction(self) -> dict[str, Any]:
        checkpoint = last_checkpoint(self.directory("prediction"))
        if checkpoint is None:
            self._solve_head()
        train = self._trainer("prediction", self.config.prediction)
        module = LogitDistiller(self.student, self.scored, **self._softness())
        return fit_task(train, module, self.rows["prediction"], checkpoint=checkpoint, predictions=self.artifact.work)

    def _merged(self) -> dict[str, Any]:
        config, directory, rows = self.config, self.directory("merged"), self.rows["prediction"]
        checkpoint = last_checkpoint(directory)
        if checkpoint is None:
            self._solve_head()
        encoder = self.load_teacher().cpu().base_model
        objective, initialize = imitation(config, directory, rows, encoder, self.student.base_model, given=True)
        measuring = trainer(config, directory)
        layers = LayerDistiller(encoder, self.student.base_model, objective)
        before = layer_phase.begin(measuring, layers, rows, directory, initialize)
        train = self._trainer("merged", config.prediction)
        module = MergedDistiller(encoder, self.student, objective, self.scored, **self._softness())
        report = fit_task(train, module, rows, checkpoint=checkpoint, predictions=self.artifact.work)
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
            epochs=options.passes(len(self.rows["prediction"].train)),
            max_steps=options.max_steps,
            monitor=monitor,
            mode=mode,
            callbacks=callbacks,
            artifact=self.artifact,
        )
