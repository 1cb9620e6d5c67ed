"""Training on the layered losses, as stages do it: from the choice of the mapping to the report by layer."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Timer
from pytorch_lightning.loggers import Logger
from transformers import PreTrainedModel

from tinydistill.artifacts.writer import read_json, write_json
from tinydistill.config.build import models as parts
from tinydistill.config.build import training as trainers
from tinydistill.config.build.sources import Values
from tinydistill.console import count, say
from tinydistill.data.loading import Batch, BatchLoader
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.text.datamodule import TextDataModule
from tinydistill.distillation.layer_distiller import LayerDistiller
from tinydistill.distillation.layer_report import layer_rows, show_mapping
from tinydistill.distillation.mapping import Mapping
from tinydistill.distillation.objective import Objective
from tinydistill.distillation.teacher_statistics import TeacherStatistics, teacher_statistics_over
from tinydistill.models import loading as models
from tinydistill.models.observation import Observer, encoder_inputs, release
from tinydistill.ranks import rank
from tinydistill.training import dashboards, runtime
from tinydistill.training import plan as plans
from tinydistill.training.attention_picture import attention_picture
from tinydistill.training.optimization import NO_TRAINING, Optimization


@dataclass
class Layers:
    """A student and its teacher, encoders without heads; what of them is compared, and how that was before training."""

    student: PreTrainedModel
    teacher: PreTrainedModel
    mapping: Mapping
    objective: Objective
    moments: TeacherStatistics
    heldout: BatchLoader
    trainer: pl.Trainer
    before: dict[str, float] = field(default_factory=dict)

    def distiller(self, optimisation: Optimization = NO_TRAINING) -> LayerDistiller:
        """What trains the student, or measures it."""
        return LayerDistiller(self.student, self.teacher, self.objective, optimisation)

    def measure(self) -> dict[str, float]:
        """The held-out losses as they are now."""
        (metrics,) = self.trainer.validate(self.distiller(), self.heldout, verbose=False)
        return {name: float(value) for name, value in metrics.items()}

    def picture(self, loggers: Sequence[Logger], step: int) -> None:
        """Where both look in a held-out row, for dashboards; nothing where the objective doesn't look at attention."""
        pairs = [(m, n) for name, m, n in self.objective.scores if name == "attention"]
        if not loggers or not pairs or rank() != 0:
            return
        with torch.no_grad():
            row = {name: tensor[-1:].to(self.student.device) for name, tensor in next(iter(self.heldout)).items()}
            row = encoder_inputs(row)
            if "attention_mask" in row:
                row = {name: tensor[:, : int(row["attention_mask"].sum())] for name, tensor in row.items()}
            ours, theirs = (
                Observer(model, (), layers)(row).attention
                for model, layers in zip((self.student, self.teacher), zip(*pairs, strict=True), strict=True)
            )
        dashboards.log_picture(loggers, "attention", attention_picture(ours, theirs, pairs), step)

    def report(self) -> dict[str, Any]:
        """How well every layer is imitated after training; the student gets its ordinary attention back."""
        after = self.measure()
        release(self.student).requires_grad_(True)
        return {
            "heldout_loss": after["heldout/loss"],
            "layers": layer_rows(self.objective, self.moments, self.before, after, self.student.config.hidden_size),
            "mapping": self.mapping,
        }


def prepare(
    values: Values,
    trainer: pl.Trainer,
    directory: Path,
    heldout: BatchLoader,
    sample_batches: Callable[[int], Iterable[Batch]],
    teacher: PreTrainedModel,
    student: PreTrainedModel,
) -> Layers:
    """Chooses the mapping, and gives student and projections their first weights.

    Where a run goes on from a checkpoint below `directory`, what was chosen and measured at first comes from there.
    `sample_batches` gives training batches of about so many word pieces. With student.path=null the student is new, and
    student.init gives it its first weights.
    """
    resumed = runtime.last_checkpoint(directory) is not None
    started: dict[str, Any] = read_json(directory / "start.json") if resumed else {}
    sample = [] if resumed else list(sample_batches(values["general"]["sample_tokens"]))
    known = student if values["student"]["path"] is not None else None
    layer_mapping = (
        tuple(started["mapping"]) if started else parts.chosen_mapping(values, student.config, known, teacher, sample)
    )
    objective = parts.objective(values, layer_mapping, student.config, teacher.config)
    moments = teacher_statistics_over(Observer(teacher, *objective.layers(1)), heldout)
    objective.measure_against(moments)
    show_mapping(objective)
    ours, theirs = models.parameters(student), models.parameters(teacher)
    say(f"student {count(ours)} parameters, teacher {count(theirs)} ({theirs / ours:.1f}x)")
    layers = Layers(student, teacher, layer_mapping, objective, moments, heldout, trainer)
    if started:
        layers.before = started["before"]
        return layers
    say(f"first weights and projections: {values['student']['path'] or values['student']['init']}")
    parts.start(values, student, teacher, layer_mapping, objective, sample)
    layers.before = layers.measure()
    if rank() == 0:
        directory.mkdir(parents=True, exist_ok=True)
        write_json(directory / "start.json", {"mapping": layer_mapping, "before": layers.before})
    return layers


def distill_layers(
    values: Values,
    options: Values,
    directory: Path,
    data: TextDataModule | TaskDataModule,
    heldout: BatchLoader,
    sample_batches: Callable[[int], Iterable[Batch]],
    teacher: PreTrainedModel,
    student: PreTrainedModel,
) -> dict[str, Any]:
    """Trains the student (two encoders, no heads) below `directory`, going on from a checkpoint there; the report.

    `options` are those of the stage or phase: learning_rate, warmup, weight_decay, clip, accumulate. The rest is what
    `prepare` takes.
    """
    pl.seed_everything(values["seed"], verbose=False)
    timer = Timer()
    trainer = trainers.trainer(values, directory, options, callbacks=[timer])
    data.trainer = trainer  # the number of steps depends on the number of devices
    layers = prepare(values, trainer, directory, heldout, sample_batches, teacher, student)
    distiller = layers.distiller(trainers.optimisation(options, data.total_steps))
    distiller.freeze_unreached({name: rows[:1] for name, rows in next(iter(heldout)).items()})
    checkpoint = runtime.last_checkpoint(directory)
    plans.announce(data)
    if checkpoint:
        say(f"going on from {checkpoint}")
    if data.total_steps:
        trainer.fit(distiller, data.train_dataloader(), heldout, ckpt_path=checkpoint)
    layers.picture(trainer.loggers, data.total_steps)
    report = layers.report()
    runtime.finish(trainer)
    return {**report, "steps": data.total_steps, "seconds": round(timer.time_elapsed("train"), 1)}
