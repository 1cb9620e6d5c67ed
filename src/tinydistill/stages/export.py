"""stage=export: a model of a task as it is shipped: Hugging Face directory, ONNX and OpenVINO, model card."""

import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from tinydistill.artifacts.provenance import record_of
from tinydistill.artifacts.writer import ArtifactWriter, open_artifact
from tinydistill.config.build import data
from tinydistill.config.build.origin import Origin, origin_of
from tinydistill.config.build.scored import scored_model
from tinydistill.config.build.sources import check_positions
from tinydistill.config.compose import plain
from tinydistill.config.dependencies import of_exported
from tinydistill.config.errors import option_of
from tinydistill.config.names import exported_path, output_path, task_model
from tinydistill.config.schema import Config
from tinydistill.console import say
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.errors import WithheldError
from tinydistill.export import onnx_export, onnx_files, page, publishing, summary
from tinydistill.export.agreement import Bounds
from tinydistill.export.card import card, said_by_card
from tinydistill.export.checks import Checks
from tinydistill.export.exported import RUNTIMES, Exported, busy, timed
from tinydistill.kinds import TaskKind
from tinydistill.models.loading import making, save_model, weight_files
from tinydistill.models.observation import accepted_inputs
from tinydistill.models.source import Source
from tinydistill.ranks import rank
from tinydistill.training import runtime, scoring
from tinydistill.training.classifier import Scoring


def run(config: Config) -> float:
    """Publish the directory; return the reported score of the model in PyTorch."""
    runtime.quiet()
    options = config.export
    if options.formats:
        onnx_export.check_installed(options.formats)
    if options.push:
        publishing.check(options.repo)
    path = task_model(config, options.path)
    source, task, scored = scored_model(config, path, "export.path")
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
    if withheld := result["withheld"]:
        raise WithheldError(". ".join(withheld.values()))
    return scoring.merit(result)


def _export(config: Config, artifact: ArtifactWriter, source: Source, task: TaskSource, scored: Scoring) -> None:
    started, options, kind = time.monotonic(), config.export, scored.kind
    origin = origin_of(source.path, config)
    teacher = origin.teacher if origin is not None else None
    if teacher is not None:
        check_positions("export.latency.lengths", options.latency.lengths, teacher)
    model = source.with_head(kind.head)
    tokenizer = making(source.tokenizer, accepted_inputs(model, source.tokenizer))
    save_model(model, tokenizer, artifact.product, max_length=config.task.max_length)
    bounds = Bounds(options.max_difference, options.least_equal, options.least_correlation, options.least_cosine)
    rows = data.task_data(config, task, source.tokenizer, batch_size=options.batch_size)
    checks = Checks(model, rows, scored, bounds, close=options.close)
    files = onnx_files.write_source(source, model, kind, artifact.product, options.formats, check=checks.add)
    named = partial(option_of, stage="export")
    withheld = {RUNTIMES[name]: error.told(named) for name, error in files.withheld.items()}
    for name in withheld:
        say(f"{name} is left out: {withheld[name]}")
    shown = {"student": Exported(model, weight_files(Path(source.path)), files.kept)}
    if origin is None:
        say("it wasn't distilled here: the model is measured alone")
    elif teacher is None:
        say("its teacher isn't to be found: the student is measured alone")
    if teacher is not None:
        large = teacher.with_head(kind.head)
        theirs = onnx_files.write_source(teacher, large, kind, artifact.work / "teacher", list(files.kept))
        shown = {"teacher": Exported(large, weight_files(Path(teacher.path)), theirs.kept), **shown}
    say(f"timing {' and '.join(shown)}")
    load = busy()
    score = checks.rows[0]["score"]
    result = {
        "score": score,
        "monitor": scored.reported,
        "scores": _scores(config, origin, score),
        "rows": len(checks.split),
        "checks": checks.rows,
        "confusion": None if checks.confusion is None else checks.confusion.as_json(),
        "withheld": withheld,
        "sizes": [{"model": name, **one.sizes()} for name, one in shown.items()],
        "load": load,
        "latency": timed(shown, **asdict(options.latency)),
        "weights": source.identity,
        "origin": None if origin is None else origin.summary(),
        "seconds": round(time.monotonic() - started, 1),
    }
    _describe(config, artifact, result, source, origin, kind, tokenizer)
    if options.page:
        page.write_page(
            artifact.product,
            Path(config.paths.cache),
            result,
            files=files.kept,
            teacher=teacher,
            split=task.validation()[scored.reported_split],
            most=options.page_rows,
            name=artifact.path.name,
            task=config.task.name,
            kind=kind,
            tokenizer=tokenizer,
            max_length=config.task.max_length,
        )
    artifact.publish(result, plain(config))


def _describe(
    config: Config,
    artifact: ArtifactWriter,
    result: dict[str, Any],
    source: Source,
    origin: Origin | None,
    kind: TaskKind,
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    """The model card, with what the card of the model that it comes from says of license and language."""
    base = source.path if origin is None else origin.base
    license_name = config.export.license or said_by_card(base, "license")
    if license_name is None:
        whose = "model" if origin is None else "teacher"
        say(f"the {whose}'s license isn't known: set export.license=NAME, as in apache-2.0, for the model card")
    card(
        artifact.path.name,
        result,
        task=config.task.name,
        kind=kind,
        tokenizer=tokenizer,
        max_length=config.task.max_length,
        text_pair=config.task.text_pair is not None,
        repo=config.task.source.get("repo"),
        license_name=license_name,
        language=config.export.language or said_by_card(base, "language"),
    ).save(artifact.product / "README.md")


def _scores(config: Config, origin: Origin | None, score: float | None) -> dict[str, float]:
    """The student's, and where they are known for the same rows the teacher's and the baseline's."""
    scores = {"student": score}
    if origin is not None and origin.rows == data.training_task(config).identity():
        scores = {"teacher": origin.made.result["teacher_score"], "not distilled": origin.baseline, **scores}
    return {name: known for name, known in scores.items() if known is not None}
