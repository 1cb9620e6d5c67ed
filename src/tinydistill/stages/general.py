"""stage=general: a student learns from the inner layers of a pre-trained teacher on plain text."""

from typing import Any

from transformers import PretrainedConfig

from tinydistill.artifacts import inputs as lineage
from tinydistill.artifacts.writer import ArtifactWriter, open_artifact
from tinydistill.config.build import data as inputs
from tinydistill.config.build import models as parts
from tinydistill.config.build.sources import (
    Source,
    Values,
    check_vocabularies,
    find,
    find_teacher,
    general_path,
    longest_input,
    output_path,
)
from tinydistill.console import count, duration, say
from tinydistill.data.text.sources import Corpus
from tinydistill.distillation.layer_phase import distill_layers
from tinydistill.distillation.layer_report import show_layers
from tinydistill.errors import UserError
from tinydistill.models import loading as models
from tinydistill.models import students
from tinydistill.ranks import rank
from tinydistill.training import runtime


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
        **inputs.debugged(values),
    }
    path = output_path(values, general_path(values))
    with open_artifact(path, settings, overwrite=values["overwrite"]) as place:
        if place.result is not None:
            say("finished before with the same settings")
            return _report(place, place.result)
        lineage.record(place, [values["student"]["path"], teacher.path])
        return _report(place, _distill(values, place, teacher, student, config, corpus))


def _distill(
    values: Values,
    place: ArtifactWriter,
    teacher_source: Source,
    student_source: Source | None,
    config: PretrainedConfig,
    corpus: Corpus,
) -> dict[str, Any]:
    teacher = parts.teacher(values, teacher_source)
    student = (
        models.load_encoder(student_source.path, override="student.path")
        if student_source
        else students.new_student(config, values["seed"])
    )
    data = inputs.blocks(values, "general", corpus, teacher_source.tokenizer)
    inputs.announce(data)
    report = distill_layers(
        values, values["general"], place.work, data, data.val_dataloader(), data.sample_batches, teacher, student
    )
    result = {
        **report,
        "parameters": models.parameters(student),
        "teacher_parameters": models.parameters(teacher),
        "tokens": data.total_steps * data.blocks_in_step * values["general"]["max_length"],
    }
    if rank() == 0:
        models.save_encoder(student, teacher_source.tokenizer, place.product)
        place.keep_logs(place.work)
        place.publish(result, values)
    return result


def _report(place: ArtifactWriter, result: dict[str, Any]) -> float:
    show_layers(result["layers"])
    say(
        f"{result['steps']} steps, {count(result['tokens'])} word pieces in {duration(result['seconds'])} "
        f"({result['tokens'] / max(result['seconds'], 1e-9):,.0f} a second); held-out loss {result['heldout_loss']:.4f}"
    )
    say(f"artifact: {place.path}")
    return float(result["heldout_loss"])
