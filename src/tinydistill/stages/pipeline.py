"""stage=pipeline: all stages that a distilled model takes, for one task or several, and a table of their models."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tinydistill import stages
from tinydistill.artifacts.files import file_hash
from tinydistill.artifacts.provenance import RESULT, record_of
from tinydistill.artifacts.writer import open_artifact
from tinydistill.config import names
from tinydistill.config.build import compared, data
from tinydistill.config.build.certified import check_certifiable, no_certificate
from tinydistill.config.build.origin import without_distillation
from tinydistill.config.build.plan import in_time
from tinydistill.config.build.sources import (
    check_positions,
    find_student,
    find_teacher,
    learns_from_labels,
    makes_teacher,
    wants_general,
    wants_masked_lm,
)
from tinydistill.config.compose import composed_with, plain
from tinydistill.config.schema import Config
from tinydistill.console import say, table
from tinydistill.errors import UserError, WithheldError
from tinydistill.export import onnx_export, page, publishing
from tinydistill.ranks import rank
from tinydistill.report import comparison
from tinydistill.report.shipped import BASELINE, STUDENT, TEACHER
from tinydistill.training import drawing, runtime, scoring


@dataclass(frozen=True)
class Step:
    """One stage of the pipeline: with which configuration, what it makes, and where."""

    config: Config
    makes: str
    path: Path

    @property
    def state(self) -> str:
        """How far it has come."""
        if (self.path / RESULT).is_file():
            return "there"
        return "begun" if self.path.with_name(f"{self.path.name}.unfinished").is_dir() else "to do"

    def run(self) -> None:
        """Run the stage; one that is finished with the same settings returns at once."""
        stages.run(self.config)


def run(config: Config) -> float:
    """Run what is missing and publish the comparison; return the mean of the scores that students were chosen by."""
    runtime.quiet()
    tasks = _tasks(config)
    if config.pipeline.budget is not None:
        tasks = in_time(config, [_with_pairs_made(of_task) for of_task in tasks], _path(config))
    steps = {step.path: step for of_task in tasks for step in _steps(of_task)}
    reported = config.pipeline.report and config.paths.job is None and drawing.possible()  # a sweep has one of all jobs
    last = [_report(config, list(steps))] if reported else []
    listed = [*steps.values(), *last]
    plan = [(f"{i}  stage={step.config.stage}", step.makes, step.state) for i, step in enumerate(listed, 1)]
    table("pipeline", ("stage", "makes", "state"), plan, words=3)

    def run_step(number: int, step: Step) -> None:
        say()
        say(f"[{number}/{len(listed)}] stage={step.config.stage}: {step.makes}")
        step.run()

    withheld = []
    for number, step in enumerate(steps.values(), start=1):
        try:
            run_step(number, step)
        except WithheldError as error:
            withheld.append(str(error))
    length, seconds = config.pipeline.latency_length, config.pipeline.latency_seconds
    contenders = {of_task.task.name: compared.contenders(of_task) for of_task in tasks}
    known = {of_task.task.name: compared.latencies(of_task) for of_task in tasks}
    students = {of_task.task.name: names.distilled_path(compared.with_rows(of_task)) for of_task in tasks}
    settings = {
        "students": {name: file_hash(path / "model.safetensors") for name, path in students.items()},
        "models": {name: [model.name for model in of_task] for name, of_task in contenders.items()},
        "latency_length": length,
    }
    with open_artifact(_path(config), settings, overwrite=True) as artifact:
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
    for step in last:
        run_step(len(listed), step)
    made = record_of(artifact.path)
    assert made is not None
    result = made.result
    say()
    comparison.show(result["models"] + result["averages"], length)
    say(f"artifact: {artifact.path}")
    if withheld:
        raise WithheldError(". ".join(withheld))
    return scoring.merit(result)


def _tasks(config: Config) -> list[Config]:
    """The configuration of every task, in which no mistake would show only after hours."""
    listed = [name for word in config.pipeline.tasks for name in (config.pipeline.glue if word == "glue" else [word])]
    chosen = [composed_with(task=name) for name in dict.fromkeys(listed)] or [config]
    if config.pipeline.export:
        _check_export(config, len(chosen))
    for of_task in chosen:
        _check_positions(of_task)
        for one in [of_task, *_also(of_task)]:
            scored = data.scoring(one, data.task(one))
            if config.pipeline.export and config.export.page:
                page.check_page(scored.kind, Path(config.paths.cache))
        if config.pipeline.certify and len(chosen) == 1:  # of several tasks those that can be are certified
            check_certifiable(of_task, data.task(of_task))
    return [_with_pairs(_as_inner(of_task)) for of_task in chosen]


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


def _also(config: Config) -> list[Config]:
    return [_as_inner(composed_with(task=name)) for name in config.task.also]


def _as_inner(config: Config) -> Config:
    """As the stages of the pipeline have it, which publish under names of their own."""
    return replace(config, output_dir=None)


def _with_pairs(config: Config) -> Config:
    """With new pairs in the place of augmented rows, where that is wanted and there are few rows of two texts."""
    pipeline, augmentation = config.pipeline, config.augmentation
    other_rows = pipeline.augment or augmentation.path is not None or config.prediction.hard_share > 0
    pairs = pipeline.pairs and not other_rows and config.task.text_pair is not None
    if pairs:
        task = data.training_task(config)
        pairs = task.target.of_whole_texts and augmentation.new_pairs(len(task.train())) > 0
    if pairs:
        augmentation = replace(augmentation, method="neighbors")
    pipeline = replace(pipeline, pairs=pairs, augment=pipeline.augment or pairs)
    return replace(config, pipeline=pipeline, augmentation=augmentation)


def _with_pairs_made(config: Config) -> Config:
    """With the new pairs that it trains on, made before their number can be planned with."""
    if not config.pipeline.pairs:
        return config
    Step(replace(config, stage="augment"), "new pairs", names.augmented_path(config)).run()
    return replace(compared.with_rows(config), pipeline=replace(config.pipeline, pairs=False, augment=False))


def _steps(config: Config) -> list[Step]:
    """What a task takes, in order."""
    task, options, steps = config.task.name, config.pipeline, []

    def add(stage: str, makes: str, path: Path, of: Config) -> None:
        steps.append(Step(replace(of, stage=stage), makes, path))

    if makes_teacher(config):
        add("finetune", f"{task}: {TEACHER}", names.finetuned_path(config), _finetuning(config, "teacher"))
    if options.baseline and learns_from_labels(config):
        new = without_distillation(config)
        add("finetune", f"{task}: {BASELINE}", names.finetuned_path(new, "student"), _finetuning(new, "student"))
    if wants_general(config):
        add("general", "general student", names.general_path(config), config)
    if options.augment:
        if wants_masked_lm(config):
            add("pretrain", "masked language model", names.pretrained_path(config), config)
        what = "new pairs of its texts" if config.augmentation.method == "neighbors" else "augmented rows"
        add("augment", f"{task}: {what}", names.augmented_path(config), config)
    config = compared.with_rows(config)
    made = names.distilled_path(config)
    add("task", f"{task}: {STUDENT}", made, config)
    for of in [config, *_also(config)]:
        scored = replace(of, evaluate=replace(of.evaluate, path=str(made)))
        add("evaluate", f"{of.task.name}: predictions", names.evaluated_path(of, str(made)), scored)
    if options.export:
        shipped = replace(config, export=replace(config.export, path=str(made)))
        add("export", f"{task}: files to ship", names.exported_path(config, str(made)), shipped)
    if options.certify and no_certificate(config, data.task(config)) is None:
        promised = replace(config, certify=replace(config.certify, path=str(made)))
        add("certify", f"{task}: certificate", names.certified_path(config, str(made)), promised)
    return steps


def _finetuning(config: Config, model: str) -> Config:
    return replace(config, finetune=replace(config.finetune, model=model))


def _report(config: Config, made: Sequence[Path]) -> Step:
    """The report of all that the pipeline makes, its comparison of the models included."""
    path = _path(config)
    named = names.named_path(config, "report", *path.name.split("_"))
    place = named if config.output_dir is None else Path(f"{path}-report")
    report = replace(config.report, paths=[str(artifact) for artifact in [*made, path]])
    return Step(replace(config, stage="report", output_dir=str(place), report=report), "all on one page", place)


def with_inputs(config: Config) -> Config:
    """For a job of a sweep over stage=task: what it starts from, by name, made where it isn't there.

    As in a single run, what stands under its usual name is taken as it is. What is missing is made with the job's own
    settings, in a place that all jobs with these settings share.
    """
    runtime.quiet()
    alone = replace(config, paths=replace(config.paths, job=None))
    found = config
    if makes_teacher(config):
        of = replace(_finetuning(config, "teacher"), stage="finetune")
        teacher = _made(of, names.finetuned_path(alone), names.finetuned_path(config))
        found = replace(found, teacher=replace(found.teacher, path=str(teacher), revision=None))
    if wants_general(config):
        student = _made(replace(config, stage="general"), names.general_path(alone), names.general_path(config))
        found = replace(found, student=replace(found.student, path=str(student)))
    return found


def _made(config: Config, usual: Path, shared: Path) -> Path:
    if (usual / RESULT).is_file():
        return usual
    Step(replace(config, output_dir=None), "", shared).run()
    return shared


def _path(config: Config) -> Path:
    name = "-".join(config.pipeline.tasks) or config.task.name
    recipe = names.without_task(config, names.distilled_path(compared.with_rows(config)).name)
    return names.output_path(config, names.named_path(config, "pipeline", *recipe.split("_"), name))
