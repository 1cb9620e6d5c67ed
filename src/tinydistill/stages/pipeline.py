"""stage=pipeline: all stages that a distilled model takes, for one task or several, and a table of their models."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tinydistill import stages
from tinydistill.artifacts.files import file_hash
from tinydistill.artifacts.provenance import RESULT, record_of
from tinydistill.artifacts.writer import open_artifact
from tinydistill.config import names
from tinydistill.config.build import compared, data
from tinydistill.config.build.certified import check_certifiable
from tinydistill.config.build.plan import in_time
from tinydistill.config.build.sources import (
    check_positions,
    find_student,
    find_teacher,
    makes_teacher,
    wants_general,
)
from tinydistill.config.build.steps import (
    Step,
    also_scored,
    as_inner,
    finetuning,
    published_path,
    report_of,
    steps_of,
    with_new_pairs,
)
from tinydistill.config.compose import composed_with, plain
from tinydistill.config.schema import Config
from tinydistill.console import say, table
from tinydistill.errors import UserError, WithheldError
from tinydistill.export import onnx_export, page, publishing
from tinydistill.ranks import rank
from tinydistill.report import comparison
from tinydistill.training import drawing, runtime, scoring


def run(config: Config) -> float:
    """Run what is missing and publish the comparison; return the mean of the scores that students were chosen by."""
    runtime.quiet()
    tasks = _tasks(config)
    if config.pipeline.budget is not None:
        tasks = in_time(config, [_with_pairs_made(of_task) for of_task in tasks], published_path(config))
    steps = {step.path: step for of_task in tasks for step in steps_of(of_task)}
    reported = config.pipeline.report and config.paths.job is None and drawing.possible()  # a sweep has one of all jobs
    last = [report_of(config, list(steps))] if reported else []
    listed = [*steps.values(), *last]
    plan = [(f"{i}  stage={step.config.stage}", step.makes, step.state) for i, step in enumerate(listed, 1)]
    table("pipeline", ("stage", "makes", "state"), plan, words=3)

    def run_step(number: int, step: Step) -> None:
        say()
        say(f"[{number}/{len(listed)}] stage={step.config.stage}: {step.makes}")
        stages.run(step.config)

    withheld = []
    for number, step in enumerate(steps.values(), start=1):
        try:
            run_step(number, step)
        except WithheldError as error:
            withheld.append(str(error))
    _publish(config, tasks)
    for step in last:
        run_step(len(listed), step)
    made = record_of(published_path(config))
    assert made is not None
    say()
    comparison.show(made.result["models"] + made.result["averages"], config.pipeline.latency_length)
    say(f"artifact: {made.path}")
    if withheld:
        raise WithheldError(". ".join(withheld))
    return scoring.merit(made.result)


def _tasks(config: Config) -> list[Config]:
    """The configuration of every task, in which no mistake would show only after hours."""
    listed = [name for word in config.pipeline.tasks for name in (config.pipeline.glue if word == "glue" else [word])]
    chosen = [composed_with(task=name) for name in dict.fromkeys(listed)] or [config]
    if config.pipeline.export:
        _check_export(config, len(chosen))
    for of_task in chosen:
        _check_positions(of_task)
        for one in [of_task, *also_scored(of_task)]:
            scored = data.scoring(one, data.task(one))
            if config.pipeline.export and config.export.page:
                page.check_page(scored.kind, Path(config.paths.cache))
        if config.pipeline.certify and len(chosen) == 1:  # of several tasks those that can be are certified
            check_certifiable(of_task, data.task(of_task))
    return [with_new_pairs(as_inner(of_task)) for of_task in chosen]


def _check_export(config: Config, tasks: int) -> None:
    options = config.export
    if options.formats:
        onnx_export.check_installed(options.formats)
    if options.push and tasks > 1:
        raise UserError(
            f"export.push=true has one repository for {tasks} tasks: leave it off here, and push each with stage=export"
        )
    if options.push:
        publishing.check(options.repo)


def _check_positions(config: Config) -> None:
    """Raises UserError where a model ends before the input that is going to be timed."""
    found = [find_teacher(config), *([student] if (student := find_student(config)) else [])]
    check_positions("pipeline.latency_length", [config.pipeline.latency_length], *found)
    if config.pipeline.export:
        check_positions("export.latency.lengths", config.export.latency.lengths, *found)


def _with_pairs_made(config: Config) -> Config:
    """With the new pairs that it trains on, made before their number can be planned with."""
    if not config.pipeline.pairs:
        return config
    stages.run(replace(config, stage="augment"))
    return replace(compared.with_rows(config), pipeline=replace(config.pipeline, pairs=False, augment=False))


def _publish(config: Config, tasks: Sequence[Config]) -> None:
    """Publish the models of every task side by side, and their means."""
    length, seconds = config.pipeline.latency_length, config.pipeline.latency_seconds
    contenders = {of_task.task.name: compared.contenders(of_task) for of_task in tasks}
    known = {of_task.task.name: compared.latencies(of_task) for of_task in tasks}
    students = {of_task.task.name: names.distilled_path(compared.with_rows(of_task)) for of_task in tasks}
    settings = {
        "students": {name: file_hash(path / "model.safetensors") for name, path in students.items()},
        "models": {name: [model.name for model in of_task] for name, of_task in contenders.items()},
        "latency_length": length,
    }
    with open_artifact(published_path(config), settings, overwrite=True) as artifact:
        if artifact.result is None and rank() == 0:
            rows = [
                row
                for task, of in contenders.items()
                for row in comparison.compare(task, of, length, seconds, known[task])
            ]
            means = comparison.averages(rows)
            averages = means if len(tasks) > 1 else []
            chosen_by = comparison.mean(
                [made.result.get("selection_score") for made in map(record_of, students.values()) if made]
            )
            score = {"score": means[-1]["score"], "selection_score": chosen_by}
            artifact.publish({"models": rows, "averages": averages, **score}, plain(config))


def with_inputs(config: Config) -> Config:
    """For a job of a sweep over stage=task: what it starts from, by name, made where it isn't there.

    As in a single run, what stands under its usual name is taken as it is. What is missing is made with the job's own
    settings, in a place that all jobs with these settings share.
    """
    runtime.quiet()
    alone = replace(config, paths=replace(config.paths, job=None))
    found = config
    if makes_teacher(config):
        teacher = _made(finetuning(config, "teacher"), names.finetuned_path(alone), names.finetuned_path(config))
        found = replace(found, teacher=replace(found.teacher, path=str(teacher), revision=None))
    if wants_general(config):
        student = _made(replace(config, stage="general"), names.general_path(alone), names.general_path(config))
        found = replace(found, student=replace(found.student, path=str(student)))
    return found


def _made(config: Config, usual: Path, shared: Path) -> Path:
    if (usual / RESULT).is_file():
        return usual
    stages.run(replace(config, output_dir=None))
    return shared
