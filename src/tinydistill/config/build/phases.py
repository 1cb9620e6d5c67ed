"""The phases of task distillation: each is run once, in a directory of its own."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_model, save_model
from transformers import PreTrainedModel

from tinydistill.artifacts.writer import read_json, write_json
from tinydistill.console import say
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.distillation.logit_distiller import MergedDistiller, LogitDistiller
from tinydistill.ranks import rank
from tinydistill.distillation import layer_phase as layered
from tinydistill.training import scoring
from tinydistill.training import task_fit as supervised
from tinydistill.config.build import training as trainers
from tinydistill.config.build.sources import Source, Values
from tinydistill.training.classifier import Classifier, Scoring
from tinydistill.training.optimization import Optimization

OPTIONS = {"intermediate": "intermediate", "prediction": "prediction", "merged": "prediction"}
"""Where the options of a phase stand in the configuration."""


def rows(values: Values, task: TaskSource, model: Source, phase: str) -> TaskDataModule:
    """The task's rows for a phase, or the augmented ones that take their place, as the model's tokenizer cuts them."""
    options = {name: values[OPTIONS[phase]][name] for name in ("batch_size", "epochs", "max_steps", "accumulate")}
    return scoring.task_data(values, task, model, augmentation=values["augmentation"]["path"], **options)


def once(directory: Path, student: PreTrainedModel, phase: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Runs a phase on the student; where an earlier run has finished it, takes its weights and report from there."""
    if (directory / "report.json").is_file():
        say(f"{directory.name}: finished before")
        load_model(student, directory / "student.safetensors")
        return read_json(directory / "report.json")
    say()
    say(f"{directory.name.rpartition('-')[2]} phase")
    report = phase()
    if rank() == 0:
        directory.mkdir(parents=True, exist_ok=True)  # where no logger has written
        save_model(student, str(directory / "student.safetensors"))
        write_json(directory / "report.json", report)  # the last thing written: with it the phase is finished
    return report


def predict(
    values: Values,
    directory: Path,
    data: TaskDataModule,
    student: PreTrainedModel,
    scored: Scoring,
    teacher_scores: Mapping[str, scoring.Scores],
) -> dict[str, Any]:
    """The prediction phase, going on from a checkpoint below `directory`; the student ends with its best weights."""
    options = values["prediction"]

    def build(optimisation: Optimization) -> Classifier:
        return LogitDistiller(student, optimisation, scored, **softness(options))

    return supervised.fit(values, options, directory, data, scored, build, teacher_scores)


def learn_at_once(
    values: Values,
    directory: Path,
    data: TaskDataModule,
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    scored: Scoring,
    teacher_scores: Mapping[str, scoring.Scores],
) -> dict[str, Any]:
    """Both phases as one, with the options of the prediction phase; the student ends with its best weights."""
    options = values["prediction"]
    layers = layered.prepare(
        values,
        trainers.silent_trainer(values, directory),
        directory,
        data.loader(data.validation[scored.splits[0]]),
        functools.partial(scoring.sample_batches, data),
        teacher,
        student.base_model,
    )

    def build(optimisation: Optimization) -> Classifier:
        return MergedDistiller(student, teacher, layers.objective, optimisation, scored, **softness(options))

    report = supervised.fit(values, options, directory, data, scored, build, teacher_scores)
    return {**report, **layers.report()}


def softness(options: Values) -> Values:
    """A LogitDistiller's options."""
    return {name: options[name] for name in ("temperature", "scale_by_temperature", "hard_share")}
