"""stage=report: what came of any number of artifacts, on one page."""

import time
from pathlib import Path
from typing import Any

from tinydistill.artifacts.writer import ArtifactWriter, open_artifact, read_json
from tinydistill.config.build.sources import (
    Source,
    Values,
    find,
    find_task_teacher,
    find_teacher,
    named_path,
    output_path,
)
from tinydistill.console import duration, say
from tinydistill.distillation.mapping import pairs
from tinydistill.errors import UserError
from tinydistill.models import loading as models
from tinydistill.ranks import rank
from tinydistill.report.attention import attention_maps
from tinydistill.report.collected import RECORD, Collected, Run, collect
from tinydistill.report.contents import Looked, Report, layered, students
from tinydistill.report.scores import scores
from tinydistill.report.sweeps import figure
from tinydistill.training import runtime

MODELS = 3  # students whose attention is drawn


def run(values: Values) -> float:
    """Publishes the report; returns the best distilled student's score, of several tasks the first's."""
    runtime.quiet()
    options = values["report"]
    collected = collect(
        [Path(path) for path in options["paths"] or [values["paths"]["outputs"]]],
        option="report.paths" if options["paths"] else "paths.outputs=DIR or report.paths",
    )
    path = output_path(values, report_path(values))
    _check_replaceable(path)
    settings = {
        "artifacts": {str(one.path): one.identity() for one in collected.runs},
        "unfinished": [str(place) for place in collected.unfinished],
        **{name: options[name] for name in ("sentences", "head")},
    }
    with open_artifact(path, settings, overwrite=values["overwrite"] or True) as place:
        if place.result is not None:
            say("finished before with the same settings")
        elif rank() == 0:
            _write(values, place, collected)
    result = read_json(place.path / "result.json")
    for line in result["missing"]:
        say(line)
    tasks = f", of {', '.join(result['tasks'])}" if result["tasks"] else ""
    say(f"{result['artifacts']} artifacts{tasks}, in {duration(result['seconds'])}: {place.path / 'report.html'}")
    say(f"artifact: {place.path}")
    return float("nan") if result["score"] is None else float(result["score"])


def report_path(values: Values) -> Path:
    """The place of a report, named after what it is of."""
    return named_path(values, "report", *([Path(path).name for path in values["report"]["paths"]][:3] or ["all"]))


def _check_replaceable(path: Path) -> None:
    """Raises UserError where anything but a report would give way; that is made anew when the artifacts change."""
    if (path / RECORD).is_file() and read_json(path / RECORD)["configuration"].get("stage") != "report":
        raise UserError(f"{path} is an artifact of another stage; choose another place with output_dir=DIR")


def _write(values: Values, place: ArtifactWriter, collected: Collected) -> None:
    started = time.monotonic()
    place.product.mkdir(exist_ok=True)
    tasks = scores(collected)
    generals = sorted(collected.of("general"), key=lambda run: figure(run).rank)
    shown = [one for one in students(tasks) or generals[:1] if layered(one)]
    teachers = {one.path: _teacher(values, collected, one) for one in [*shown, *generals]}
    looked = [_look(values, one, teachers[one.path]) for one in shown[:MODELS]] if values["report"]["sentences"] else []
    depths = {path: found.config.num_hidden_layers for path, found in teachers.items() if isinstance(found, Source)}
    report = Report(collected, place.product, depths, looked)
    named = ", ".join(task.title for task in tasks)
    report.write(f"{named}: what came of it" if tasks else "What came of it")
    best = [one.result["score"] for one in students(tasks)]
    result: dict[str, Any] = {
        "score": best[0] if best else None,
        "tasks": [task.title for task in tasks],
        "artifacts": len(collected.runs),
        "missing": [f"the attention of {one.run.name} isn't drawn: {one.missing}" for one in looked if one.missing],
        "seconds": round(time.monotonic() - started, 1),
    }
    place.publish(result, values)


def _teacher(values: Values, collected: Collected, student: Run) -> Source | str:
    """The model with the weights that a student learnt from; or why there is none."""
    wanted = student.settings["teacher"]
    made = collected.with_weights(wanted)
    try:
        if made is not None:
            return find(str(made.path), "report.paths")
        here = {name: values["paths"][name] for name in ("outputs", "cache")}
        paths = {**values["paths"], **student.configuration.get("paths", {}), **here}
        configuration = {**student.configuration, "paths": paths}
        found = find_task_teacher(configuration) if student.stage == "task" else find_teacher(configuration)
    except UserError as error:
        return f"its teacher isn't to be found ({error})"
    if found.identity != wanted:
        return f"its teacher isn't to be found: {found.path} has other weights than the one that was learnt from"
    return found


def _look(values: Values, student: Run, teacher: Source | str) -> Looked:
    """What student and teacher attend to in the sentences; or why that can't be seen."""
    if isinstance(teacher, str):
        return Looked(student, missing=teacher)
    options, mapped = values["report"], pairs(next(iter(layered(student).values()))["mapping"])
    try:
        ours = find(str(student.path), "report.paths")
    except UserError as error:
        return Looked(student, missing=str(error))
    heads = min(one.config.num_attention_heads for one in (ours, teacher))
    if options["head"] is not None and options["head"] > heads:
        raise UserError(f"report.head={options['head']} is too large: {student.name} or its teacher has {heads} heads")
    try:
        small, large = (models.load_encoder(one.path, revision=one.revision) for one in (ours, teacher))
        maps = attention_maps(small, large, ours.tokenizer, options["sentences"], mapped, head=options["head"])
    except UserError as error:
        return Looked(student, missing=str(error))
    return Looked(student, maps, heads="the mean over heads" if options["head"] is None else f"head {options['head']}")
