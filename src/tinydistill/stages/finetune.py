"""stage=finetune: a model learns a task from its labels: the teacher to be distilled, or a student as the baseline."""

from typing import Any

from transformers import PreTrainedModel

from tinydistill.artifacts import inputs as lineage
from tinydistill.artifacts.writer import ArtifactWriter, open_artifact
from tinydistill.config.build import data as inputs
from tinydistill.config.build import models as parts
from tinydistill.config.build.sources import Source, Values, find, find_teacher, finetuned_path, output_path
from tinydistill.console import count, duration, say
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.models import heads, students
from tinydistill.models import loading as models
from tinydistill.ranks import rank
from tinydistill.training import runtime, scoring
from tinydistill.training import task_fit as supervised
from tinydistill.training.classifier import Classifier
from tinydistill.training.optimization import Optimization


def run(values: Values) -> float:
    """Publishes a fine-tuned model; returns the monitored score."""
    runtime.quiet()
    options = values["finetune"]
    student = options["model"] == "student"
    new = student and values["student"]["path"] is None  # made of the teacher's configuration and tokenizer
    source = find(values["student"]["path"], "student.path") if student and not new else find_teacher(values)
    if new:
        parts.check_start(values, parts.new_student_config(values, source.config), source.config)
    scoring.check_length(values, source)
    task = inputs.task(values)
    scoring.scoring(values, task)
    settings = {
        "seed": values["seed"],
        "weights": source.identity,
        "student": _start(values) if new else None,
        "task": scoring.settings(values, task),
        "finetune": _run_options(options),
    }
    path = output_path(values, finetuned_path(values, options["model"]))
    with open_artifact(path, settings, overwrite=values["overwrite"]) as place:
        if place.result is not None:
            say("finished before with the same settings")
            return _report(values, place, place.result)
        lineage.record(place, [source.path])
        return _report(values, place, _train(values, place, source, task, new=new))


def _start(values: Values) -> Values:
    """What makes a difference to the first weights of a new student."""
    shared = {"mapping": values["mapping"], "sample_tokens": values["general"]["sample_tokens"]}
    return values["student"] | ({} if values["student"]["init"] == "random" else shared)


def _run_options(options: Values) -> Values:
    """Those of the chosen model beside those of both."""
    shared = {name: value for name, value in options.items() if name not in ("teacher", "student")}
    return {**shared, **options[options["model"]]}


def _train(values: Values, place: ArtifactWriter, source: Source, task: TaskSource, *, new: bool) -> dict[str, Any]:
    options = values["finetune"]
    run = _run_options(options)
    scored = scoring.scoring(values, task)
    sizes = {name: run[name] for name in ("batch_size", "epochs", "accumulate")}
    data = scoring.task_data(values, task, source, **sizes)
    scoring.announce(values["task"]["name"], data)

    def build(optimisation: Optimization) -> Classifier:
        resumed = runtime.last_checkpoint(place.work) is not None
        encoder = _new_student(values, source, data, trained=resumed) if new else _loaded(source)
        model = heads.add_head(encoder, task.target.labels, seed=values["seed"])
        say(f"{options['model']} of {count(models.parameters(model))} parameters")
        built.append(model)
        return Classifier(model, optimisation, scored)

    built: list[PreTrainedModel] = []
    report = supervised.fit(values, run, place.work, data, scored, build)
    (model,) = built
    result = {
        **report,
        "majority": scoring.majority_scores(scored, data.validation),
        "monitor": scored.monitored,
        "score": report["scores"][scored.splits[0]][scored.monitor],
        "rows": {split.name: len(split) for split in (data.train, *data.validation.values())},
        "parameters": models.parameters(model),
    }
    if rank() == 0:
        models.save_classifier(model, source.tokenizer, place.product)
        place.keep_logs(place.work)
        place.publish(result, values)
    return result


def _loaded(source: Source) -> PreTrainedModel:
    return models.load_encoder(source.path, revision=source.revision, override=source.override)


def _new_student(values: Values, teacher_source: Source, data: TaskDataModule, *, trained: bool) -> PreTrainedModel:
    """A student that starts as the general stage's would; `trained` when a checkpoint replaces its weights anyway."""
    config = parts.new_student_config(values, teacher_source.config)
    student = students.new_student(config, values["seed"])
    if trained or values["student"]["init"] == "random":
        return student
    teacher = parts.teacher(values, teacher_source)
    sample = scoring.sample_batches(data, values["general"]["sample_tokens"])
    layer_mapping = parts.chosen_mapping(values, config, None, teacher, sample)
    parts.first_weights(values, student, teacher, layer_mapping, sample)
    return student


def _report(values: Values, place: ArtifactWriter, result: dict[str, Any]) -> float:
    say()
    scoring.show(f"{values['finetune']['model']} on {values['task']['name']}", result["scores"], result["majority"])
    say(
        f"{count(result['parameters'])} parameters, {result['steps']} steps in {duration(result['seconds'])}; "
        f"the best weights are those of step {result['best_step']}"
    )
    say(f"artifact: {place.path}")
    return float("nan") if result["score"] is None else float(result["score"])
