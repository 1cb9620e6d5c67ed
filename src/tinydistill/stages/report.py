"""stage=report: the results of any number of artifacts on one page."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf.errors import OmegaConfBaseException

from tinydistill.artifacts.files import DamagedError
from tinydistill.artifacts.provenance import record_of
from tinydistill.artifacts.writer import ArtifactWriter, open_artifact
from tinydistill.config.build.sources import find_task_teacher, find_teacher
from tinydistill.config.compose import plain, stored
from tinydistill.config.names import output_path, report_path
from tinydistill.config.schema import Config
from tinydistill.console import duration, say
from tinydistill.distillation.mapping import pairs
from tinydistill.errors import InputError, UserError
from tinydistill.models.source import Source, find
from tinydistill.ranks import rank
from tinydistill.report import printed
from tinydistill.report.attention import attention_maps
from tinydistill.report.collected import Collected, collect
from tinydistill.report.contents import Report, SeenAttention, students
from tinydistill.report.run import Run
from tinydistill.report.scores import scores
from tinydistill.report.shipped import STUDENT
from tinydistill.training import drawing, runtime

MODELS = 3  # students whose attention is drawn


def run(config: Config) -> float:
    """Publish the report; return the best distilled student's score, of several tasks the first's."""
    runtime.quiet()
    options = config.report
    collected = collect([Path(path) for path in options.paths or [config.paths.outputs]])
    path = output_path(config, report_path(config))
    _check_replaceable(path)
    settings = {
        "artifacts": {str(one.path): one.identity() for one in collected.runs},
        "unfinished": [str(place) for place in collected.unfinished],
        "sentences": options.sentences,
        "head": options.head,
    }
    with open_artifact(path, settings, overwrite=config.overwrite or True) as artifact:
        if artifact.result is not None:
            say("finished before with the same settings")
        elif rank() == 0:
            _write(config, artifact, collected)
    made = record_of(path)
    assert made is not None
    result = made.result
    printed.show(result)
    for line in result["missing"]:
        say(line)
    tasks = f", of {', '.join(result['tasks'])}" if result["tasks"] else ""
    say(f"{result['artifacts']} artifacts{tasks}, in {duration(result['seconds'])}: {artifact.path / 'report.html'}")
    say(f"artifact: {artifact.path}")
    return float("nan") if result["score"] is None else float(result["score"])


def _check_replaceable(path: Path) -> None:
    """Raises UserError where anything but a report would give way; that is made anew when the artifacts change."""
    try:
        made = record_of(path)
    except DamagedError:  # which is made again
        return
    if made is not None and made.stage != "report":
        raise UserError(f"{path} is an artifact of another stage; choose another place with output_dir=DIR")


def _write(config: Config, artifact: ArtifactWriter, collected: Collected) -> None:
    drawing.check_installed()
    started = time.monotonic()
    artifact.product.mkdir(exist_ok=True)
    tasks = scores(collected)
    generals = collected.best_of("general")
    shown = [one for one in students(tasks) or generals[:1] if one.mapping is not None]
    teachers = {one.path: _teacher(config, collected, one) for one in [*shown, *generals]}
    looked = [_look(config, one, teachers[one.path]) for one in shown[:MODELS]] if config.report.sentences else []
    report = Report(collected, artifact.product, _depths(teachers), looked)
    named = ", ".join(task.title for task in tasks)
    report.write(f"{named}: results" if tasks else "Results")
    best = [model.score for task in tasks if (model := task.best(STUDENT)) is not None]
    result: dict[str, Any] = {
        "score": best[0] if best else None,
        "tasks": [task.title for task in tasks],
        **printed.summary(tasks),
        "artifacts": len(collected.runs),
        "missing": [f"the attention of {one.run.name} isn't drawn: {one.missing}" for one in looked if one.missing],
        "seconds": round(time.monotonic() - started, 1),
    }
    artifact.publish(result, plain(config))


def _depths(teachers: Mapping[Path, Source | str]) -> dict[Path, int]:
    return {path: found.config.num_hidden_layers for path, found in teachers.items() if isinstance(found, Source)}


def _teacher(config: Config, collected: Collected, student: Run) -> Source | str:
    """The model with the weights that a student learned from; or why there is none."""
    wanted = student.inputs.get("teacher")
    made = collected.with_weights(wanted) if wanted else None
    try:
        if made is not None:
            return find(str(made.path), "report.paths")
        then = stored(student.configuration)
        then = replace(then, paths=replace(then.paths, outputs=config.paths.outputs, cache=config.paths.cache))
        found = find_task_teacher(then) if student.stage == "task" else find_teacher(then)
    except (InputError, UserError) as error:
        return f"its teacher isn't to be found ({error})"
    except OmegaConfBaseException as error:  # a record of another version, whose options are others
        return f"its teacher isn't to be found ({str(error).partition(chr(10))[0]})"
    if found.identity != wanted:
        return f"its teacher isn't to be found: {found.path} has other weights than the one that was learned from"
    return found


def _look(config: Config, student: Run, teacher: Source | str) -> SeenAttention:
    """What student and teacher attend to in the sentences; or why that can't be seen."""
    if isinstance(teacher, str):
        return SeenAttention(student, missing=teacher)
    options, mapped = config.report, pairs(tuple(student.mapping or ()))
    try:
        ours = find(str(student.path), "report.paths")
    except InputError as error:
        return SeenAttention(student, missing=str(error))
    read = teacher.reading(ours.tokenizer)
    if read is None:
        return SeenAttention(student, missing=f"{student.name} has tokens that its teacher lacks")
    teacher = read
    heads = min(one.config.num_attention_heads for one in (ours, teacher))
    if options.head is not None and options.head > heads:
        raise UserError(f"report.head={options.head} is too large: {student.name} or its teacher has {heads} heads")
    try:
        maps = attention_maps(
            ours.encoder(), teacher.encoder(), ours.tokenizer, options.sentences, mapped, head=options.head
        )
    except InputError as error:
        return SeenAttention(student, missing=str(error))
    return SeenAttention(student, maps, heads="the mean over heads" if options.head is None else f"head {options.head}")
