"""stage=general: a student learns from the inner layers of a pre-trained teacher on plain text."""

import shutil
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Timer
from transformers import PretrainedConfig, PreTrainedModel

from tinydistill import models
from tinydistill.artifacts import Claim, claim, read_json, write_json
from tinydistill.console import count, duration, say, table
from tinydistill.data.corpus import GeneralDataModule
from tinydistill.data.sources import Corpus
from tinydistill.distillation.distiller import Distiller, unexplained
from tinydistill.distillation.moments import TeacherMoments, subspace_floor, teacher_moments
from tinydistill.distillation.objective import Objective
from tinydistill.distillation.observation import Observer
from tinydistill.errors import UserError
from tinydistill.stages import inputs, parts
from tinydistill.stages.lookup import (
    Source,
    Values,
    check_vocabularies,
    find,
    find_teacher,
    longest_input,
    output_path,
)
from tinydistill.training import runtime
from tinydistill.training.optimisation import Optimisation


def run(values: Values) -> float:
    """Publishes a general student; returns the held-out loss."""
    runtime.quiet()
    teacher = find_teacher(values)
    student = find(values["student"]["path"], "student.path") if values["student"]["path"] else None
    config = student.config if student else parts.new_student_config(values, teacher.config)
    if student:
        check_vocabularies(teacher, student)
    parts.check_fit(values, config, teacher.config)
    longest = min(longest_input(config), longest_input(teacher.config))
    if values["general"]["max_length"] > longest:
        raise UserError(
            f"general.max_length={values['general']['max_length']} is too long: the models end at {longest}"
        )
    corpus = inputs.corpus(values)
    settings = {
        "seed": values["seed"],
        "teacher": teacher.identity,
        "student": student.identity if student else values["student"],
        "mapping": values["mapping"],
        "objective": values["objective"],
        "corpus": corpus.identity(),
        "general": values["general"],
    }
    words = (Path(values["teacher"]["path"]).name, values["student"]["name"], values["mapping"]["strategy"])
    path = output_path(values, *words, values["objective"]["name"], values["corpus"]["name"])
    with claim(path, settings, overwrite=values["overwrite"]) as place:
        if place.result is not None:
            say("finished before with the same settings")
            return _report(place, place.result)
        return _report(place, _distil(values, place, teacher, student, config, corpus))


def _distil(
    values: Values,
    place: Claim,
    teacher_source: Source,
    student_source: Source | None,
    config: PretrainedConfig,
    corpus: Corpus,
) -> dict[str, Any]:
    options = values["general"]
    pl.seed_everything(values["seed"], verbose=False)
    timer = Timer()
    trainer = parts.trainer(
        values, place.work, clip=options["clip"], accumulate=options["accumulate"], callbacks=[timer]
    )
    teacher = parts.teacher(values, teacher_source)
    data = _data(values, corpus, teacher_source)
    data.trainer = trainer  # the number of steps depends on the number of devices
    checkpoint = runtime.last_checkpoint(place.work)
    started: dict[str, Any] = read_json(place.work / "start.json") if checkpoint else {}
    sample = [] if checkpoint else list(data.sample_batches(options["sample_tokens"]))

    student = models.load_encoder(student_source.path, override="student.path") if student_source else None
    layer_mapping = (
        tuple(started["mapping"]) if started else parts.chosen_mapping(values, config, student, teacher, sample)
    )
    student = student or models.new_student(config, values["seed"])
    objective = parts.objective(values, layer_mapping, config, teacher.config)
    heldout = data.heldout_batches()
    moments = teacher_moments(Observer(teacher, *objective.layers(1)), heldout)
    objective.measure_against(moments)
    _plan(teacher, student, objective, data, options)
    if not checkpoint:
        say(f"first weights and projections: {values['student']['path'] or values['student']['init']}")
        parts.start(values, student, teacher, layer_mapping, objective, sample)

    optimisation = Optimisation(data.total_steps, options["learning_rate"], options["warmup"], options["weight_decay"])
    distiller = Distiller(student, teacher, objective, optimisation)
    distiller.freeze_unreached({name: rows[:1] for name, rows in heldout[0].items()})
    if not started:
        started = {"mapping": layer_mapping, "before": _validate(trainer, distiller, data)}
        if trainer.is_global_zero:
            write_json(place.work / "start.json", started)
    if checkpoint:
        say(f"going on from {checkpoint}")
    trainer.fit(distiller, datamodule=data, ckpt_path=checkpoint)
    after = _validate(trainer, distiller, data)
    tokens = data.total_steps * data.blocks_in_step * options["max_length"]
    result = {
        "heldout_loss": after["heldout/loss"],
        "layers": _layers(objective, moments, started["before"], after, config.hidden_size),
        "mapping": layer_mapping,
        "parameters": models.parameters(student),
        "teacher_parameters": models.parameters(teacher),
        "steps": data.total_steps,
        "tokens": tokens,
        "seconds": round(timer.time_elapsed("train"), 1),
    }
    if trainer.is_global_zero:
        models.save_encoder(student, teacher_source.tokenizer, place.product)
        if (place.work / "logs").is_dir():
            shutil.copytree(place.work / "logs", place.product / "logs", dirs_exist_ok=True)
        place.publish(result, values)
    runtime.finish(trainer)
    return result


def _data(values: Values, corpus: Corpus, teacher: Source) -> GeneralDataModule:
    options = values["general"]
    return GeneralDataModule(
        corpus,
        teacher.tokenizer,
        max_length=options["max_length"],
        batch_size=options["batch_size"],
        epochs=options["epochs"],
        max_steps=options["max_steps"],
        accumulate=options["accumulate"],
        seed=values["seed"],
        heldout_fraction=options["heldout_fraction"],
        heldout_blocks=options["heldout_blocks"],
        cache_dir=Path(values["paths"]["cache"]),
        num_workers=values["trainer"]["workers"],
    )


def _validate(trainer: pl.Trainer, distiller: Distiller, data: GeneralDataModule) -> dict[str, float]:
    (metrics,) = trainer.validate(distiller, datamodule=data, verbose=False)
    return {name: float(value) for name, value in metrics.items()}


def _plan(
    teacher: PreTrainedModel, student: PreTrainedModel, objective: Objective, data: GeneralDataModule, options: Values
) -> None:
    """Says what is about to happen."""
    rows = [("embeddings", "embeddings")] if objective.weights.embedding else []
    rows += [(f"layer {m}", f"layer {n}") for m, n in objective.pairs]
    table("mapping", ("student", "learns from teacher"), rows)
    corpus = data.blocks.summary
    say(
        f"corpus {count(corpus['documents'])} documents, {count(corpus['pieces'])} word pieces; "
        f"{corpus['heldout_blocks']} blocks held out; it reads:"
    )
    sample = next(data.sample_batches(1))["input_ids"][0]
    say(f"  {data.tokenizer.decode(sample)[:160]}…")
    ours, theirs = models.parameters(student), models.parameters(teacher)
    say(
        f"student {count(ours)} parameters, teacher {count(theirs)} ({theirs / ours:.1f}x); "
        f"{data.total_steps} steps of {data.blocks_in_step} blocks x {options['max_length']} word pieces"
    )


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


def _report(place: Claim, result: dict[str, Any]) -> float:
    rows = [
        (
            f"{row['loss']} {row['student_layer']} <- {row['teacher_layer']}",
            row["raw"],
            *("-" if row[key] is None else row[key] for key in ("unexplained_before", "unexplained", "floor")),
        )
        for row in result["layers"]
    ]
    say()
    table(
        "held-out text: unexplained variance (1 is guessing the mean, 0 a perfect copy)",
        ("loss, student <- teacher layer", "raw loss", "before", "after", "floor"),
        rows,
    )
    say(
        f"{result['steps']} steps, {count(result['tokens'])} word pieces in {duration(result['seconds'])} "
        f"({result['tokens'] / max(result['seconds'], 1e-9):,.0f} a second); held-out loss {result['heldout_loss']:.4f}"
    )
    say(f"artifact: {place.path}")
    return float(result["heldout_loss"])
