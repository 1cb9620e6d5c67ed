"""Training on the layered losses: what is measured before and after, and a run that goes on where it was cut."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from tinydistill.artifacts.files import kept, write_sealed
from tinydistill.console import count, say, table
from tinydistill.data.loading import Batch
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.text.datamodule import TextDataModule
from tinydistill.distillation.imitation import attention_maps
from tinydistill.distillation.layer_distiller import LayerDistiller
from tinydistill.distillation.mapping import Mapping
from tinydistill.distillation.objective import Objective
from tinydistill.distillation.teacher_statistics import TeacherStatistics
from tinydistill.initialization.linear_algebra import subspace_floor
from tinydistill.models.loading import parameters
from tinydistill.models.observation import encoder_inputs, release
from tinydistill.ranks import rank
from tinydistill.training import dashboards, drawing
from tinydistill.training.checkpoints import last_checkpoint
from tinydistill.training.finite_steps import finite_losses
from tinydistill.training.runtime import training_seconds

Data = TextDataModule | TaskDataModule


@dataclass(frozen=True)
class Before:
    """What the teacher is like on held-out text, and how far the student was from it before training."""

    statistics: TeacherStatistics
    losses: dict[str, float]


def chosen_mapping(directory: Path) -> Mapping | None:
    """The mapping that an interrupted run below `directory` began with; None where a run begins."""
    start = _start(directory)
    return tuple(start["mapping"]) if start else None


def _start(directory: Path) -> dict[str, Any] | None:
    """What a run that goes on has kept of its start."""
    return kept(directory / "start.json", "it is made again") if last_checkpoint(directory) else None


def measure(trainer: pl.Trainer, distiller: LayerDistiller, data: Data) -> dict[str, float]:
    """The held-out losses as they are now. Raises RunError where one isn't finite."""
    (metrics,) = trainer.validate(distiller, data.heldout_batches(), verbose=False)
    return finite_losses(metrics)


def begin(
    trainer: pl.Trainer,
    distiller: LayerDistiller,
    data: Data,
    directory: Path,
    initialize: Callable[[], None] = lambda: None,
) -> Before:
    """Measure the teacher, give student and projections their first weights with `initialize`, and measure them.

    Where a run goes on from a checkpoint below `directory`, nothing is initialized, and the losses come from there.
    """
    objective, teacher = distiller.imitation.objective, distiller.imitation.teacher
    statistics = distiller.imitation.measure_teacher(data.heldout_batches())
    show_mapping(objective)
    ours, theirs = parameters(distiller.student), parameters(teacher)
    say(f"student {count(ours)} parameters, teacher {count(theirs)} ({theirs / ours:.1f}x)")
    if start := _start(directory):
        return Before(statistics, start["before"])
    initialize()
    losses = measure(trainer, distiller, data)
    if rank() == 0:
        directory.mkdir(parents=True, exist_ok=True)
        write_sealed(directory / "start.json", {"mapping": objective.mapping, "before": losses})
    return Before(statistics, losses)


def end(trainer: pl.Trainer, distiller: LayerDistiller, data: Data, before: Before) -> dict[str, Any]:
    """Report how well every layer is imitated after training; the student gets its ordinary attention back."""
    after = measure(trainer, distiller, data)
    release(distiller.student)
    objective, width = distiller.imitation.objective, distiller.student.config.hidden_size
    return {
        "heldout_loss": after["heldout/loss"],
        "layers": layer_rows(objective, before.statistics, before.losses, after, width),
        "mapping": objective.mapping,
    }


def distill_layers(
    trainer: pl.Trainer,
    distiller: LayerDistiller,
    data: Data,
    *,
    directory: Path,
    initialize: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Train the student on a data module, going on from a checkpoint below `directory`, and return the report.

    `initialize` gives student and projections their first weights; without it they keep what they have.
    """
    before = begin(trainer, distiller, data, directory, initialize)
    checkpoint = last_checkpoint(directory)
    if checkpoint:
        say(f"going on from {checkpoint}")
    trainer.fit(distiller, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    steps, seconds = trainer.global_step, training_seconds(trainer)
    log_attention(trainer, distiller, next(iter(data.heldout_batches())), steps)
    report = end(trainer, distiller, data, before)
    dashboards.finish(trainer.loggers)
    return {**report, "steps": steps, "seconds": seconds}


def log_attention(trainer: pl.Trainer, distiller: LayerDistiller, batch: Batch, step: int) -> None:
    """Log the attention maps of a held-out row, where there is a logger and the objective looks at attention."""
    pairs = list(dict.fromkeys(term.layers for term in distiller.imitation.objective.of("attention")))
    if not trainer.loggers or not pairs or rank() != 0 or not drawing.possible():
        return
    device = distiller.student.device
    row = {name: tensor[-1:].to(device) for name, tensor in encoder_inputs(batch).items()}
    if "attention_mask" in row:
        row = {name: tensor[:, : int(row["attention_mask"].sum())] for name, tensor in row.items()}
    with torch.no_grad():
        maps = attention_maps(distiller.student, distiller.imitation.teacher.to(device), row, pairs)
    dashboards.log_picture(trainer.loggers, "attention", dashboards.attention_picture(maps), step)


def show_mapping(objective: Objective) -> None:
    """Print which student layer learns from which of the teacher's."""
    pairs = sorted({term.layers for term in objective.terms})
    rows = [[f"layer {number}" if number else "embeddings" for number in pair] for pair in pairs]
    table("mapping", ("student", "learns from teacher"), rows)


def layer_rows(
    objective: Objective,
    statistics: TeacherStatistics,
    before: dict[str, float],
    after: dict[str, float],
    width: int,
) -> list[dict[str, Any]]:
    """One row a term: the raw loss, and the unexplained variance before and after beside its floor."""
    rows = []
    for term in objective.terms:
        raw, unexplained = f"heldout/raw/{term.name}", f"heldout/unexplained/{term.name}"
        bounded = unexplained in after and term in objective.of("hidden")
        rows.append(
            {
                **term._asdict(),
                "raw": after[raw],
                "raw_before": before[raw],
                "unexplained_before": before.get(unexplained),
                "unexplained": after.get(unexplained),
                "floor": subspace_floor(statistics.hidden[term.teacher_layer], width) if bounded else None,
            }
        )
    return rows


def show_layers(layers: list[dict[str, Any]]) -> None:
    """Print how well every layer is imitated on held-out text."""
    rows = [
        (
            f"{row['loss']} {row['student_layer']} <- {row['teacher_layer']}",
            *(row[key] for key in ("raw", "unexplained_before", "unexplained", "floor")),
        )
        for row in layers
    ]
    say()
    table(
        "held-out text: unexplained variance (1 is guessing the mean, 0 a perfect copy)",
        ("loss, student <- teacher layer", "raw loss", "before", "after", "floor"),
        rows,
    )
