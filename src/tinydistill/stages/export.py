"""stage=export: a model of a task as it is shipped: Hugging Face directory, ONNX in fp32 and int8, model card."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel

from tinydistill.artifacts.writer import ArtifactWriter, open_artifact, read_json
from tinydistill.config.build import data as inputs
from tinydistill.config.build.origin import ancestry
from tinydistill.config.build.sources import Source, Values, exported_path, find, longest_input, output_path, task_model
from tinydistill.console import say
from tinydistill.data.loading import Batch
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.distillation import teacher_checks as preflight
from tinydistill.errors import UserError
from tinydistill.export import card, onnx_export, publishing
from tinydistill.export import summary as export_report
from tinydistill.export.agreement import Agreement, Bounds, agreement
from tinydistill.export.exported import PYTORCH, RUNTIMES, Exported, timed
from tinydistill.export.licence import licence_of
from tinydistill.models import heads
from tinydistill.models import loading as models
from tinydistill.models.observation import ENCODER_INPUTS, encoder_inputs
from tinydistill.ranks import rank
from tinydistill.training import runtime, scoring
from tinydistill.training.classifier import by_row
from tinydistill.training.metrics import predicted

_APART = ("path", "batch_size", "push", "repo", "private")  # options that make no difference to what is made


def run(values: Values) -> float:
    """Publishes the directory; returns the monitored score of the model in PyTorch."""
    runtime.quiet()
    options = values["export"]
    if options["formats"]:
        onnx_export.check_installed()
    if options["push"]:
        publishing.check(options["repo"])
    path = task_model(values, "export")
    source = find(path, "export.path")
    task = inputs.task(values)
    preflight.check_head(source, task.target)
    scoring.check_length(values, source)
    scoring.scoring(values, task)
    check_lengths(values, source.config)
    settings = {
        "weights": source.identity,
        "rows": scoring.rows_identity(task.validation()),
        "task": {name: values["task"][name] for name in ("labels", "max_length", "monitor")},
        "export": {name: value for name, value in options.items() if name not in _APART},
    }
    with open_artifact(
        output_path(values, exported_path(values, path)), settings, overwrite=values["overwrite"]
    ) as place:
        if place.result is not None:
            say("finished before with the same settings")
        elif rank() == 0:
            _export(values, place, source, task)
    result = read_json(place.path / "result.json")
    export_report.show(result)
    if options["push"] and rank() == 0:
        say(f"pushed: {publishing.push(place.path, options['repo'], private=options['private'])}")
    say(f"artifact: {place.path}")
    return float("nan") if result["score"] is None else float(result["score"])


def check_lengths(values: Values, *configs: PretrainedConfig) -> None:
    """Raises UserError where a model that is going to be timed has fewer positions than its input word pieces."""
    longest = min(map(longest_input, configs))
    if too_long := [length for length in values["export"]["latency"]["lengths"] if length > longest]:
        raise UserError(f"export.latency.lengths holds {too_long[0]}, which is too long: the model ends at {longest}")


def _export(values: Values, place: ArtifactWriter, source: Source, task: TaskSource) -> None:
    started, options = time.monotonic(), values["export"]
    origin = ancestry(source.path, values)
    if origin is not None and origin.teacher is not None:
        check_lengths(values, origin.teacher.config)
    model = heads.load_classifier(source.path, task.target.labels, revision=source.revision, override=source.override)
    models.save_classifier(model, source.tokenizer, place.product)
    student = _written(source, model, place.product, options["formats"])
    checks = _check(values, source, task, student)
    shown = {"student": student}
    if origin is None or origin.teacher is None:
        say("its teacher isn't to be found: the student is measured alone")
    else:
        loaded = heads.load_classifier(origin.teacher.path, task.target.labels, revision=origin.teacher.revision)
        shown = {"teacher": _written(origin.teacher, loaded, place.work / "teacher", options["formats"]), **shown}
    say(f"timing {' and '.join(shown)}")
    scores = {"student": checks[0]["score"]}
    if origin is not None and origin.task == scoring.settings(values, task):
        scores = {"teacher": origin.result["teacher_score"], "not distilled": origin.baseline, **scores}
    result = {
        "score": checks[0]["score"],
        "monitor": scoring.scoring(values, task).monitored,
        "scores": {name: score for name, score in scores.items() if score is not None},
        "checks": checks,
        "sizes": [{"model": name, **one.sizes()} for name, one in shown.items()],
        "latency": timed(shown, **options["latency"]),
        "weights": source.identity,
        "origin": None if origin is None else origin.told(),
        "seconds": round(time.monotonic() - started, 1),
    }
    licence = options["license"] or (licence_of(origin.base) if origin is not None else None)
    if licence is None:
        say("the teacher's licence isn't known: set export.license=NAME, as in apache-2.0, for the model card")
    written = card.card(place.path.name, values["task"], task.target.labels, source.tokenizer, result, licence)
    written.save(place.product / "README.md")
    place.publish(result, values)


def _written(source: Source, model: PreTrainedModel, directory: Path, formats: Sequence[str]) -> Exported:
    names = [name for name in ENCODER_INPUTS if name in source.tokenizer.model_input_names]
    files = onnx_export.write(model, names, directory, formats, longest=longest_input(source.config))
    return Exported(model, sorted(Path(source.path).glob("*.safetensors")), files)


def _check(values: Values, source: Source, task: TaskSource, student: Exported) -> list[dict[str, Any]]:
    """What PyTorch and every file answer to the first validation split. Raises UserError where a bound is broken."""
    options, scored = values["export"], scoring.scoring(values, task)
    bounds = Bounds(options["max_difference"], options["least_equal"], options["least_correlation"])
    data = scoring.task_data(values, task, source, batch_size=options["batch_size"])
    split = data.validation[scored.splits[0]]
    labels = torch.from_numpy(split.labels)

    def logits(answer: Callable[[Batch], Tensor]) -> Tensor:
        return by_row([(batch["row"], answer(batch)) for batch in data.loader(split)])

    def row(name: str, found: Tensor, kept: Agreement) -> dict[str, Any]:
        answers = predicted(found, regression=scored.regression)
        return {"name": name, **asdict(kept), "score": scoring.score(scored, answers, labels)[scored.monitor]}

    with torch.inference_mode():
        original = logits(lambda batch: student.model(**encoder_inputs(batch)).logits)
    rows = [row(PYTORCH, original, agreement(original, original, regression=scored.regression))]
    for name, file in student.files.items():
        found = logits(_onnx_answer(file))
        kept = agreement(found, original, regression=scored.regression)
        bounds.check(onnx_export.FILES[name], kept, int8=name == "onnx_int8")
        rows.append(row(RUNTIMES[name], found, kept))
    return rows


def _onnx_answer(file: Path) -> Callable[[Batch], Tensor]:
    from tinydistill.export.onnx_session import OnnxModel  # where the extra is installed

    session = OnnxModel(file)
    return lambda batch: torch.from_numpy(session(batch))
