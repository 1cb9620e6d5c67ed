"""stage=search: which shape of a student, in which form, answers in the time or keeps as much as is asked for."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tinydistill import stages
from tinydistill.artifacts.files import file_hash
from tinydistill.artifacts.provenance import record_of
from tinydistill.artifacts.writer import open_artifact
from tinydistill.config import names
from tinydistill.config.build import data, vocabulary
from tinydistill.config.build.models import check_fit, new_student_config
from tinydistill.config.build.sources import check_positions, find_task_teacher, makes_teacher
from tinydistill.config.build.steps import finetuning
from tinydistill.config.compose import plain
from tinydistill.config.schema import Config
from tinydistill.console import say
from tinydistill.errors import InputError, UserError
from tinydistill.export import onnx_export, onnx_files
from tinydistill.export.exported import PYTORCH, RUNTIMES, Exported, timed
from tinydistill.export.markdown import cell
from tinydistill.kinds import kind_of
from tinydistill.kinds.base import TaskKind
from tinydistill.models.loading import parameters
from tinydistill.models.source import Source, find
from tinydistill.ranks import rank
from tinydistill.report import frontier
from tinydistill.report.evidence import interval
from tinydistill.report.frontier import Candidate, Found, Target
from tinydistill.training import drawing, runtime
from tinydistill.training.prediction_files import prediction_file, read_predictions
from tinydistill.training.scoring import defined

FRONTIER = "frontier.png"
TEACHER = "teacher"
Shapes = Mapping[str, Config]
"""The configuration of stage=task with each shape, by what the shape is called."""


def run(config: Config) -> float:
    """Publish the table of shapes; return the chosen one's score, or else the best trained one's."""
    runtime.quiet()
    options = config.search
    target = Target(options.target_ms, options.retention, options.prefer)
    if formats := _formats(options.forms):
        onnx_export.check_installed(formats)
    if makes_teacher(config):
        stages.run(replace(finetuning(config, "teacher"), output_dir=None))
    teacher = find_task_teacher(config)
    check_positions("search.length", [options.length], teacher)
    shapes = _shapes(config, teacher)
    place = names.output_path(config, names.searched_path(config))
    solved = {name: place.with_name(f"{place.name}_solved") / name for name in shapes}
    say(f"{len(shapes)} shapes: {', '.join(shapes)}")
    for i, (name, of_shape) in enumerate(shapes.items(), 1):
        say(f"[{i}/{len(shapes)}] {name}: solved from the teacher, without training")
        without = replace(of_shape, distill=replace(of_shape.distill, phases="none"), output_dir=str(solved[name]))
        stages.run(without)
    weights = {name: file_hash(path / "model.safetensors") for name, path in solved.items()}
    settings = {"search": asdict(options), "solved": weights, "teacher": teacher.identity}
    with open_artifact(place, settings, overwrite=True) as artifact:
        if artifact.result is None and rank() == 0:
            candidates = _timed(config, teacher, solved, artifact.work)
            _check_fast_enough(candidates, target)
            candidates = _trained(candidates, shapes, target, options.train)
            chosen = target.choice(candidates)
            record = record_of(next(iter(solved.values())))
            assert record is not None
            found = Found(
                candidates,
                target,
                chosen,
                record.result["monitor"],
                record.result["teacher_score"],
                ", ".join(options.forms),
                f"{options.batch_size} x {options.length} tokens, threads: {options.threads}",
                frontier.rank_correlation(candidates),
            )
            if drawing.possible():
                title = f"{config.task.name}: shapes of a student"
                frontier.draw(artifact.product / FRONTIER, title, candidates, found.teacher_score, target)
            artifact.publish({**asdict(found), "score": found.score}, plain(config))
    made = record_of(place)
    assert made is not None
    found = frontier.read(made.result)
    _show(config, found)
    say(f"artifact: {place}")
    return float("nan") if found.score is None else found.score


def _formats(forms: Sequence[str]) -> list[str]:
    """The forms that are files of their own."""
    return [form for form in forms if form != "pytorch"]


def _shapes(config: Config, teacher: Source) -> dict[str, Config]:
    """Every combination of the options. Raises an error for one that no student of this teacher can have."""
    options, found = config.search, {}
    if config.student.path is not None:
        raise UserError("student.path has a shape of its own: leave it out of stage=search")
    for layers, width, wider, tokens in itertools.product(
        options.num_layers, options.hidden_size, options.feed_forward, options.vocabulary
    ):
        name = f"{layers}x{width}" + ("" if len(options.feed_forward) == 1 else f"x{round(width * wider)}")
        name += "-corpus" if tokens == "corpus" and len(options.vocabulary) > 1 else ""
        size: dict[str, Any] = {"num_layers": layers, "hidden_size": width, "intermediate_size": round(width * wider)}
        student = replace(config.student, name=name, vocabulary=tokens, **size)
        of_shape = replace(config, stage="task", output_dir=None, student=student)
        vocabulary.check(of_shape, teacher)
        check_fit(of_shape, new_student_config(of_shape, teacher.config), teacher.config)
        found[name] = of_shape
    return found


def _timed(config: Config, teacher: Source, solved: Mapping[str, Path], work: Path) -> list[Candidate]:
    """The shapes in every form with their latencies, all alternating, beside the teacher's in its fastest form."""
    options = config.search
    kind = kind_of(data.task(config).target)
    sources = {TEACHER: teacher, **{name: find(str(path), "student.path") for name, path in solved.items()}}
    say(f"timing the teacher and {len(solved)} shapes, {' and '.join(options.forms)}")
    exported = {name: _exported(source, kind, work / name, options.forms) for name, source in sources.items()}
    runtimes = {form: RUNTIMES.get(form, PYTORCH) for form in options.forms}
    (row,) = timed(
        exported,
        threads=[options.threads],
        batch_sizes=[options.batch_size],
        lengths=[options.length],
        seconds=options.seconds,
        runtimes=list(runtimes.values()),
    )
    latency, found = row["latency"], []
    teachers = min(latency[f"{TEACHER}, {runtime_name}"]["median"] for runtime_name in runtimes.values())
    for name, path in solved.items():
        made = record_of(path)
        assert made is not None
        model, sizes = parameters(exported[name].model), exported[name].sizes()["bytes"]
        alike = _alike(path, made.result["chosen_by"].rpartition("/")[0])
        for form, runtime_name in runtimes.items():
            ms = latency[f"{name}, {runtime_name}"]["median"]
            found.append(
                Candidate(
                    name,
                    model,
                    sizes[runtime_name],
                    ms,
                    teachers / ms,
                    made.result["score"],
                    form=form if len(runtimes) > 1 else None,
                    alike=alike,
                )
            )
    return found


def _alike(path: Path, split: str) -> float | None:
    """How far a solved student answers as its teacher does; None where it has no answers of the split."""
    ours, theirs = (read_predictions(prediction_file(path, split, of)) for of in ("", TEACHER))
    return None if ours is None or theirs is None else defined(ours.alike(theirs))


def _exported(source: Source, kind: TaskKind, directory: Path, forms: Sequence[str]) -> Exported:
    model = source.with_head(kind.head)
    files = onnx_files.write_source(source, model, kind, directory, _formats(forms))
    return Exported(model, [], files.kept)


def _check_fast_enough(candidates: Sequence[Candidate], target: Target) -> None:
    if not target.fast_enough(candidates):
        fastest = min(candidates, key=lambda one: one.ms)
        raise InputError(
            f"the fastest of the shapes, {fastest.label}, takes {fastest.ms:.2f} ms for an answer, longer than "
            f"search.target_ms={target.ms:g}",
            "ask for more time, or for fewer layers in search.num_layers and less width in search.hidden_size",
        )


def _trained(candidates: list[Candidate], shapes: Shapes, target: Target, most: int) -> list[Candidate]:
    """With the scores of those that were worth training; the forms of a shape have that of its model."""
    for number in range(1, most + 1):
        one = target.next(candidates)
        if one is None:
            break
        of_shape = shapes[one.name]
        say()
        say(f"training {one.name}, {number} of at most {most}: {one.ms:.2f} ms, {cell(one.promise)} before training")
        stages.run(of_shape)
        score = _score(names.distilled_path(of_shape))
        candidates = [replace(other, **score) if other.name == one.name else other for other in candidates]
    return candidates


def _score(path: Path) -> dict[str, Any]:
    """What is known of a candidate when it is trained."""
    made = record_of(path)
    assert made is not None
    result: dict[str, Any] = made.result
    predictions = read_predictions(prediction_file(path, result["monitor"].rpartition("/")[0]))
    sure = None if predictions is None else interval(result["monitor"], predictions)
    ends = None if sure is None or sure.low is None or sure.high is None else (sure.low, sure.high)
    return {"trained": result["score"], "retention": result["retention"], "interval": ends, "path": str(path)}


def _show(config: Config, found: Found) -> None:
    say()
    frontier.show(found)
    say(found.remark)
    target, chosen = found.target, found.chosen
    if chosen is not None:
        formats = "" if chosen.form is None else f" 'export.formats=[{','.join(_formats([chosen.form]))}]'"
        command = f"tinydistill stage=export task={config.task.name} export.path={chosen.path}{formats}"
        say(f"chosen: {chosen.label}: {command}")
        return
    best = max((one for one in found.candidates if one.retention is not None), key=lambda one: one.retention or 0.0)
    in_time = "" if target.ms is None else f" in {target.ms:g} ms"
    say(
        f"none of the shapes that were trained keeps {target.retention:.1%} of its teacher{in_time}: the most is "
        f"{best.retention:.1f}%, of {best.name}. Larger shapes may: search.num_layers, search.hidden_size"
    )
