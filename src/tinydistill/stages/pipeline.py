"""stage=pipeline: all stages that a distilled model takes, for one task or several, and a table of their models."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from tinydistill.artifacts.writer import file_hash, open_artifact, read_json
from tinydistill.config import compose as config
from tinydistill.config.build import data as inputs
from tinydistill.config.build.sources import (
    AUGMENTED,
    Values,
    augmented_path,
    distilled_path,
    evaluated_path,
    exported_path,
    find,
    find_teacher,
    finetuned_path,
    general_path,
    longest_input,
    named_path,
    output_path,
    pretrained_path,
    wants_masked_lm,
    without_distillation,
)
from tinydistill.console import say, table
from tinydistill.errors import UserError
from tinydistill.export import onnx_export, publishing
from tinydistill.models.heads import has_head
from tinydistill.ranks import rank
from tinydistill.report import comparison
from tinydistill.report.comparison import Contender
from tinydistill.report.shipped import BASELINE, STUDENT, TEACHER
from tinydistill.stages import export
from tinydistill.training import runtime, scoring


@dataclass(frozen=True)
class Step:
    """One stage of the pipeline: with which configuration, what it makes, and where."""

    values: Values
    makes: str
    path: Path

    @property
    def state(self) -> str:
        """How far it has come."""
        if (self.path / "result.json").is_file():
            return "there"
        return "begun" if self.path.with_name(f"{self.path.name}.unfinished").is_dir() else "to do"

    def run(self) -> None:
        """Runs the stage; one that is finished with the same settings returns at once."""
        import_module(f"tinydistill.stages.{self.values['stage']}").run(self.values)


def run(values: Values) -> float:
    """Runs what is missing and publishes the comparison; returns the distilled students' mean score."""
    runtime.quiet()
    tasks = _tasks(values)
    steps = {step.path: step for of_task in tasks for step in _steps(of_task)}
    reported = values["pipeline"]["report"] and values["paths"]["job"] is None  # a sweep has a report of all its jobs
    last = [_report(values, list(steps))] if reported else []
    listed = [*steps.values(), *last]
    plan = [(f"{i}  stage={step.values['stage']}", step.makes, step.state) for i, step in enumerate(listed, 1)]
    table("pipeline", ("stage", "makes", "state"), plan, words=3)

    def run_step(number: int, step: Step) -> None:
        say()
        say(f"[{number}/{len(listed)}] stage={step.values['stage']}: {step.makes}")
        step.run()

    for number, step in enumerate(steps.values(), start=1):
        run_step(number, step)
    length, seconds = values["pipeline"]["latency_length"], values["pipeline"]["latency_seconds"]
    contenders = {of_task["task"]["name"]: _contenders(of_task) for of_task in tasks}
    students = {name: distilled_path(_with_rows(of_task)) for name, of_task in zip(contenders, tasks, strict=True)}
    settings = {
        "students": {name: file_hash(path / "model.safetensors") for name, path in students.items()},
        "models": {name: [model.name for model in of_task] for name, of_task in contenders.items()},
        "latency_length": length,
    }
    with open_artifact(_path(values), settings, overwrite=True) as place:
        if place.result is None and rank() == 0:
            rows = [row for task, of in contenders.items() for row in comparison.compare(task, of, length, seconds)]
            means = comparison.averages(rows)
            averages = means if len(tasks) > 1 else []
            place.publish({"models": rows, "averages": averages, "score": means[-1]["score"]}, values)
    for step in last:
        run_step(len(listed), step)
    result = read_json(place.path / "result.json")
    say()
    comparison.show(result["models"] + result["averages"], length)
    say(f"artifact: {place.path}")
    return float("nan") if result["score"] is None else float(result["score"])


def _tasks(values: Values) -> list[Values]:
    """The configuration of every task, in which no mistake would show only after hours."""
    listed = values["pipeline"]["tasks"]
    names = [name for word in listed for name in (values["pipeline"]["glue"] if word == "glue" else [word])]
    chosen = [config.composed_with(task=name) for name in dict.fromkeys(names)] or [values]
    if values["pipeline"]["export"]:
        _check_export(values, len(chosen))
    for of_task in chosen:
        _check_positions(of_task)
        for one in [of_task, *_also(of_task)]:
            scoring.scoring(one, inputs.task(one))
    return [_as_inner(of_task) for of_task in chosen]


def _check_export(values: Values, tasks: int) -> None:
    options = values["export"]
    if options["formats"]:
        onnx_export.check_installed()
    if options["push"] and tasks > 1:
        raise UserError(
            f"export.push=true has one repository for {tasks} tasks: leave it off here, and push each with stage=export"
        )
    if options["push"]:
        publishing.check(options["repo"])


def _check_positions(values: Values) -> None:
    """Raises UserError where a model ends before the input that is going to be timed."""
    student = values["student"]["path"]
    found = [find_teacher(values), *([find(student, "student.path")] if student is not None else [])]
    length, longest = values["pipeline"]["latency_length"], min(longest_input(model.config) for model in found)
    if length > longest:
        raise UserError(f"pipeline.latency_length={length} is too long: the models end at {longest}")
    if values["pipeline"]["export"]:
        export.check_lengths(values, *(model.config for model in found))


def _also(values: Values) -> list[Values]:
    return [_as_inner(config.composed_with(task=name)) for name in values["task"]["also"]]


def _as_inner(values: Values) -> Values:
    """As the stages of the pipeline have it, which publish under names of their own."""
    steps = values["general"]["max_steps"] if values["pipeline"]["general"] else 0
    return {**values, "output_dir": None, "general": {**values["general"], "max_steps": steps}}


def _steps(values: Values) -> list[Step]:
    """What a task takes, in order."""
    task, steps = values["task"]["name"], []

    def add(stage: str, makes: str, path: Path, of: Values = values, options: Values | None = None) -> None:
        changed = {stage: {**of[stage], **options}} if options else {}
        steps.append(Step({**of, "stage": stage, **changed}, makes, path))

    if not has_head(find_teacher(values).config):
        add("finetune", f"{task}: {TEACHER}", finetuned_path(values), options={"model": "teacher"})
    if values["pipeline"]["baseline"]:
        new = without_distillation(values)
        add("finetune", f"{task}: {BASELINE}", finetuned_path(new, "student"), new, {"model": "student"})
    if values["student"]["path"] is None:
        add("general", "general student", general_path(values))
    if values["pipeline"]["augment"]:
        if wants_masked_lm(values):
            add("pretrain", "masked language model", pretrained_path(values))
        add("augment", f"{task}: augmented rows", augmented_path(values))
    values = _with_rows(values)
    made = distilled_path(values)
    add("task", f"{task}: {STUDENT}", made, values)
    for of in [values, *_also(values)]:
        add("evaluate", f"{of['task']['name']}: predictions", evaluated_path(of, str(made)), of, {"path": str(made)})
    if values["pipeline"]["export"]:
        add("export", f"{task}: files to ship", exported_path(values, str(made)), values, {"path": str(made)})
    return steps


def _report(values: Values, made: Sequence[Path]) -> Step:
    """The report of all that the pipeline makes, its comparison of the models included."""
    path = _path(values)
    options = {**values["report"], "paths": [str(artifact) for artifact in [*made, path]]}
    place = (
        named_path(values, "report", *path.name.split("_")) if values["output_dir"] is None else Path(f"{path}-report")
    )
    return Step({**values, "stage": "report", "output_dir": str(place), "report": options}, "all on one page", place)


def with_inputs(values: Values) -> Values:
    """For a job of a sweep over stage=task: what it starts from, by name, made where it isn't there.

    As in a single run, what stands under its usual name is taken as it is. What is missing is made with the job's own
    settings, in a place that all jobs with these settings share.
    """
    runtime.quiet()
    alone = {**values, "paths": {**values["paths"], "job": None}}
    teacher = student = None
    if not has_head(find_teacher(values).config):
        teacher = _made(values, "finetune", finetuned_path(alone), finetuned_path(values), {"model": "teacher"})
    if values["student"]["path"] is None:
        student = _made(values, "general", general_path(alone), general_path(values), {})
    found = dict(values)
    if teacher is not None:
        found["teacher"] = {"path": str(teacher), "revision": None}
    if student is not None:
        found["student"] = {**values["student"], "path": str(student)}
    return found


def _made(values: Values, stage: str, usual: Path, shared: Path, options: Values) -> Path:
    if (usual / "result.json").is_file():
        return usual
    changed = {stage: {**values[stage], **options}}
    Step({**values, "stage": stage, "output_dir": None, **changed}, "", shared).run()
    return shared


def _with_rows(values: Values) -> Values:
    """With the augmented rows to train on that the pipeline makes."""
    if not values["pipeline"]["augment"]:
        return values
    return {**values, "augmentation": {**values["augmentation"], "path": str(augmented_path(values) / AUGMENTED)}}


def _contenders(values: Values) -> list[Contender]:
    """Teacher, baseline and student of a task, with their scores as the stages found them."""
    made, teacher = distilled_path(_with_rows(values)), find_teacher(values)
    labels = inputs.task(values).target.labels
    found = read_json(made / "result.json")
    metric = found["monitor"]
    path = teacher.path if has_head(teacher.config) else str(finetuned_path(values))
    contenders = [Contender(TEACHER, path, teacher.revision, labels, metric, found["teacher_score"])]
    if values["pipeline"]["baseline"]:
        baseline = finetuned_path(without_distillation(values), "student")
        score = read_json(baseline / "result.json")["score"]
        contenders.append(Contender(BASELINE, str(baseline), None, labels, metric, score))
    return [*contenders, Contender(STUDENT, str(made), None, labels, metric, found["score"])]


def _path(values: Values) -> Path:
    name = "-".join(values["pipeline"]["tasks"]) or values["task"]["name"]
    recipe = distilled_path(_with_rows(values)).name.removesuffix(f"_{values['task']['name']}")
    return output_path(values, named_path(values, "pipeline", *recipe.split("_"), name))
