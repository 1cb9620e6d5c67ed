"""Training on the layered losses, as stages do it: from the choice of the mapping to the report by layer."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Timer
from transformers import PreTrainedModel

from tinydistill import models
from tinydistill.artifacts import read_json, write_json
from tinydistill.console import count, say, table
from tinydistill.data.corpus import GeneralDataModule
from tinydistill.data.loading import Batch, BatchLoader
from tinydistill.data.tasks import TaskDataModule
from tinydistill.distillation.distiller import Distiller, unexplained
from tinydistill.distillation.moments import TeacherMoments, subspace_floor, teacher_moments
from tinydistill.distillation.objective import Objective
from tinydistill.distillation.observation import Observer, release
from tinydistill.stages import parts
from tinydistill.stages.lookup import Values
from tinydistill.training import runtime
from tinydistill.training.optimisation import Optimisation


def distil_layers(
    values: Values,
    options: Values,
    directory: Path,
    data: GeneralDataModule | TaskDataModule,
    heldout: BatchLoader,
    sample_batches: Callable[[int], Iterable[Batch]],
    teacher: PreTrainedModel,
    student: PreTrainedModel,
) -> dict[str, Any]:
    """Trains the student (two encoders, no heads) below `directory`, going on from a checkpoint there; the report.

    `options` are those of the stage or phase: learning_rate, warmup, weight_decay, clip, accumulate. `sample_batches`
    gives training batches of about so many word pieces. With student.path=null the student is new, and student.init
    gives it its first weights.
    """
    pl.seed_everything(values["seed"], verbose=False)
    timer = Timer()
    trainer = parts.trainer(
        values, directory, clip=options["clip"], accumulate=options["accumulate"], callbacks=[timer]
    )
    data.trainer = trainer  # the number of steps depends on the number of devices
    checkpoint = runtime.last_checkpoint(directory)
    started: dict[str, Any] = read_json(directory / "start.json") if checkpoint else {}
    sample = [] if checkpoint else list(sample_batches(values["general"]["sample_tokens"]))
    known = student if values["student"]["path"] is not None else None
    layer_mapping = (
        tuple(started["mapping"]) if started else parts.chosen_mapping(values, student.config, known, teacher, sample)
    )
    objective = parts.objective(values, layer_mapping, student.config, teacher.config)
    moments = teacher_moments(Observer(teacher, *objective.layers(1)), heldout)
    objective.measure_against(moments)
    show_mapping(objective)
    ours, theirs = models.parameters(student), models.parameters(teacher)
    say(f"student {count(ours)} parameters, teacher {count(theirs)} ({theirs / ours:.1f}x); {data.total_steps} steps")
    if not checkpoint:
        say(f"first weights and projections: {values['student']['path'] or values['student']['init']}")
        parts.start(values, student, teacher, layer_mapping, objective, sample)

    optimisation = Optimisation(data.total_steps, options["learning_rate"], options["warmup"], options["weight_decay"])
    distiller = Distiller(student, teacher, objective, optimisation)
    distiller.freeze_unreached({name: rows[:1] for name, rows in next(iter(heldout)).items()})
    if not started:
        started = {"mapping": layer_mapping, "before": _validate(trainer, distiller, heldout)}
        if trainer.is_global_zero:
            directory.mkdir(parents=True, exist_ok=True)
            write_json(directory / "start.json", started)
    if checkpoint:
        say(f"going on from {checkpoint}")
    trainer.fit(distiller, data.train_dataloader(), heldout, ckpt_path=checkpoint)
    after = _validate(trainer, distiller, heldout)
    runtime.finish(trainer)
    release(student).requires_grad_(True)
    return {
        "heldout_loss": after["heldout/loss"],
        "layers": _layers(objective, moments, started["before"], after, student.config.hidden_size),
        "mapping": layer_mapping,
        "steps": data.total_steps,
        "seconds": round(timer.time_elapsed("train"), 1),
    }


def _validate(trainer: pl.Trainer, distiller: Distiller, heldout: BatchLoader) -> dict[str, float]:
    (metrics,) = trainer.validate(distiller, heldout, verbose=False)
    return {name: float(value) for name, value in metrics.items()}


def show_mapping(objective: Objective) -> None:
    """Prints which student layer learns from which of the teacher's."""
    rows = [("embeddings", "embeddings")] if objective.weights.embedding else []
    rows += [(f"layer {m}", f"layer {n}") for m, n in objective.pairs]
    table("mapping", ("student", "learns from teacher"), rows)


def _layers(
    objective: Objective, moments: TeacherMoments, before: dict[str, float], after: dict[str, float], width: int
) -> list[dict[str, Any]]:
    """One row a term: the raw loss, and the unexplained variance before and after beside its floor."""
    first, last = unexplained(before), unexplained(after)
    rows = []
    for name, m, n in objective.states + objective.scores:
        term = f"{name}/{m}"
        floor = subspace_floor(moments.hidden[n], width) if name in ("embedding", "hidden") else None
        rows.append(
            {
                "loss": name,
                "student_layer": m,
                "teacher_layer": n,
                "raw": after[f"heldout/raw/{term}"],
                "raw_before": before[f"heldout/raw/{term}"],
                "unexplained_before": first.get(term),
                "unexplained": last.get(term),
                "floor": floor,
            }
        )
    return rows


def show_layers(layers: list[dict[str, Any]]) -> None:
    """Prints how well every layer is imitated on held-out text."""
    rows = [
        (
            f"{row['loss']} {row['student_layer']} <- {row['teacher_layer']}",
            row["raw"],
            *("-" if row[key] is None else row[key] for key in ("unexplained_before", "unexplained", "floor")),
        )
        for row in layers
    ]
    say()
    table(
        "held-out text: unexplained variance (1 is guessing the mean, 0 a perfect copy)",
        ("loss, student <- teacher layer", "raw loss", "before", "after", "floor"),
        rows,
    )
