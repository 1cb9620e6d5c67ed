"""stage=export: a model of a task as it is shipped: Hugging Face directory, ONNX in fp32 and int8, model card."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from tinydistill.artifacts.provenance import record_of
from tinydistill.artifacts.writer import ArtifactWriter, open_artifact
from tinydistill.config.build import data
from tinydistill.config.build.models import check_task_head, model_kind
from tinydistill.config.build.origin import Origin, origin_of
from tinydistill.config.build.sources import check_length, check_positions
from tinydistill.config.compose import plain
from tinydistill.config.dependencies import of_exported
from tinydistill.config.names import exported_path, output_path, task_model
from tinydistill.config.schema import Config
from tinydistill.console import say
from tinydistill.data.loading import Batch
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.export import onnx_export, page, publishing, summary
from tinydistill.export.agreement import Agreement, Bounds, agreement
from tinydistill.export.card import card, license_of
from tinydistill.export.exported import PYTORCH, RUNTIMES, Exported, timed
from tinydistill.kinds import TaskKind
from tinydistill.kinds.base import Logits
from tinydistill.models.loading import save_model, weight_files
from tinydistill.models.observation import ENCODER_INPUTS, encoder_inputs
from tinydistill.models.source import Source, find, longest_input
from tinydistill.ranks import rank
from tinydistill.training import runtime, scoring
from tinydistill.training.classifier import Scoring, answered, by_row


def run(config: Config) -> float:
    """Publish the directory; return the reported score of the model in PyTorch."""
    runtime.quiet()
    options = config.export
    if options.formats:
        onnx_export.check_installed()
    if options.push:
        publishing.check(options.repo)
    path = task_model(config, options.path)
    source = find(path, "export.path")
    task = data.task(config)
    check_task_head(source, task.target)
    check_length(config, source)
    scored = replace(data.scoring(config, task), kind=model_kind(source, task.target))
    if options.page:
        page.check_page(scored.kind, Path(config.paths.cache))
    check_positions("export.latency.lengths", options.latency.lengths, source)
    rows = scoring.rows_identity(task.validation())
    settings = of_exported(config).settings(model=source.identity, task=rows)
    settings["options"] |= scored.kind.configuration
    place = output_path(config, exported_path(config, path))
    with open_artifact(place, settings, overwrite=config.overwrite, inputs={"model": path}) as artifact:
        if artifact.result is not None:
            say("finished before with the same settings")
        elif rank() == 0:
            _export(config, artifact, source, task, scored)
    made = record_of(artifact.path)
    assert made is not None
    result = made.result
    summary.show(result)
    if options.push and rank() == 0:
        say(f"pushed: {publishing.push(artifact.path, str(options.repo), private=options.private)}")
    say(f"artifact: {artifact.path}")
    return scoring.merit(result)


def _export(config: Config, artifact: ArtifactWriter, source: Source, task: TaskSource, scored: Scoring) -> None:
    started, options, kind = time.monotonic(), config.export, scored.kind
    origin = origin_of(source.path, config)
    teacher = origin.teacher if origin is not None else None
    if teacher is not None:
        check_positions("export.latency.lengths", options.latency.lengths, teacher)
    model = source.with_head(kind.head)
    save_model(model, source.tokenizer, artifact.product)
    student = _written(source, model, kind, artifact.product, options.formats)
    checks = _check(config, source, task, scored, student)
    shown = {"student": student}
    if teacher is None:
        say("its teacher isn't to be found: the student is measured alone")
    else:
        large = _written(teacher, teacher.with_head(kind.head), kind, artifact.work / "teacher", options.formats)
        shown = {"teacher": large, **shown}
    say(f"timing {' and '.join(shown)}")
    result = {
        "score": checks[0]["score"],
        "monitor": scored.reported,
        "scores": _scores(origin, data.training_task(config), checks[0]["score"]),
        "checks": checks,
        "sizes": [{"model": name, **one.sizes()} for name, one in shown.items()],
        "latency": timed(shown, **asdict(options.latency)),
        "weights": source.identity,
        "origin": None if origin is None else origin.summary(),
        "seconds": round(time.monotonic() - started, 1),
    }
    license_name = options.license or (license_of(origin.base) if origin is not None else None)
    if license_name is None:
        say("the teacher's license isn't known: set export.license=NAME, as in apache-2.0, for the model card")
    card(
        artifact.path.name,
        result,
        task=config.task.name,
        kind=kind,
        tokenizer=source.tokenizer,
        max_length=config.task.max_length,
        text_pair=config.task.text_pair is not None,
        repo=config.task.source.get("repo"),
        license_name=license_name,
    ).save(artifact.product / "README.md")
    if options.page:
        page.write_page(
            artifact.product,
            Path(config.paths.cache),
            result,
            files=student.files,
            teacher=teacher,
            split=task.validation()[scored.reported_split],
            most=options.page_rows,
            name=artifact.path.name,
            task=config.task.name,
            kind=kind,
            tokenizer=source.tokenizer,
            max_length=config.task.max_length,
        )
    artifact.publish(result, plain(config))


def _scores(origin: Origin | None, task: TaskSource, score: float | None) -> dict[str, float]:
    """The student's, and where they are known for the same rows the teacher's and the baseline's."""
    scores = {"student": score}
    if origin is not None and origin.rows == task.identity():
        scores = {"teacher": origin.made.result["teacher_score"], "not distilled": origin.baseline, **scores}
    return {name: known for name, known in scores.items() if known is not None}


def _written(
    source: Source, model: PreTrainedModel, kind: TaskKind, directory: Path, formats: Sequence[str]
) -> Exported:
    names = [name for name in ENCODER_INPUTS if name in source.tokenizer.model_input_names]
    files = onnx_export.export_onnx(
        model, names, directory, formats, outputs=kind.output_names, longest=longest_input(source.config)
    )
    return Exported(model, weight_files(Path(source.path)), files)


def _check(
    config: Config, source: Source, task: TaskSource, scored: Scoring, student: Exported
) -> list[dict[str, Any]]:
    """What PyTorch and every file answer to the first validation split. Raises InputError where a bound is broken."""
    options, kind = config.export, scored.kind
    bounds = Bounds(options.max_difference, options.least_equal, options.least_correlation, options.least_cosine)
    rows = data.task_data(config, task, source.tokenizer, batch_size=options.batch_size)
    split = rows.validation[scored.reported_split]

    def said(answer: Callable[[Batch], Tensor]) -> tuple[Logits, Any]:
        logits = by_row(answered(batch, answer(batch)) for batch in rows.loader(split))
        return logits, kind.answers(split, logits, rows.encoded(split))

    def row(name: str, found: tuple[Logits, Any], kept: Agreement) -> dict[str, Any]:
        scores = {} if split.labels is None else scoring.score(scored, found[1], split)
        return {"name": name, **asdict(kept), "score": scores.get(scored.counting(scored.reported_split))}

    with torch.inference_mode():
        original = said(lambda batch: kind.logits(student.model(**encoder_inputs(batch))))
    checked = [row(PYTORCH, original, agreement(kind, original, original))]
    for name, file in student.files.items():
        found = said(_onnx_answer(file))
        kept = agreement(kind, found, original)
        bounds.check(onnx_export.FILES[name], kept, int8=name == "onnx_int8", of=kind.answered)
        checked.append(row(RUNTIMES[name], found, kept))
    return checked


def _onnx_answer(file: Path) -> Callable[[Batch], Tensor]:
    from tinydistill.export.onnx_session import OnnxModel  # where onnxruntime is installed

    session = OnnxModel(file)
    return lambda batch: torch.from_numpy(session(batch))
