"""Where stages publish: readable names made from the choices, shared by the jobs of a sweep where these agree.

In a single run an artifact stands under its readable name alone. The jobs of a sweep may need several of the same name
at the same time, so there the name ends in a digest of what the artifact depends on: jobs that agree on that share it,
others don't meet it.
"""

import re
from dataclasses import replace
from pathlib import Path

from omegaconf.errors import OmegaConfBaseException

from tinydistill.artifacts.provenance import record_of
from tinydistill.config.compose import stored
from tinydistill.config.dependencies import OF_STAGE
from tinydistill.config.schema import STAGES, Config
from tinydistill.errors import UserError

AUGMENTED = "augmented.parquet"  # what stage=augment calls its file
PREDICTED = "predictions"  # the file of an artifact of stage=predict, without what its name ends in
LABELED = "labeled.jsonl"  # the file of an artifact of stage=label
# Stages whose artifacts belong to one job of a sweep.
OF_A_JOB = ("task", "evaluate", "predict", "label", "export", "certify", "pipeline")


def output_path(config: Config, default: Path) -> Path:
    """Where this run's stage publishes: `output_dir`, or else the readable name."""
    return default if config.output_dir is None else Path(config.output_dir)


def named_path(config: Config, stage: str, *words: str) -> Path:
    """Where a stage publishes unless `output_dir` says otherwise; what is a sweep's job's own, below its directory."""
    name = "_".join(map(_word, words))
    job = config.paths.job if stage in OF_A_JOB else None
    return Path(job or config.paths.outputs) / stage / name


def without_task(config: Config, name: str) -> str:
    """The name of an artifact on the task, less the task's."""
    return name.removesuffix(f"_{_word(config.task.name)}")


def general_path(config: Config) -> Path:
    """The general student's place."""
    return _shared(config, named_path(config, "general", *_recipe(config), corpus_name(config)))


def pretrained_path(config: Config) -> Path:
    """The place of the masked LM made of the teacher."""
    return _shared(config, named_path(config, "pretrain", Path(config.teacher.path).name, corpus_name(config)))


def finetuned_path(config: Config, model: str = "teacher") -> Path:
    """The place of the task's fine-tuned teacher, or of the student without distillation."""
    student = config.student
    if model == "teacher":
        name = Path(config.teacher.path).name
    else:
        name = Path(student.path).name if student.path else f"{student.name}-{student.init}"
    chosen = replace(config, finetune=replace(config.finetune, model=model))
    return _shared(chosen, named_path(config, "finetune", name, config.task.name))


def augmented_path(config: Config) -> Path:
    """The place of the augmented rows, named after their model, the task, and the table that was given instead."""
    options = config.augmentation
    table = [Path(options.input).name.partition(".")[0]] if options.input else []
    model, kind = (config.teacher.path, ["pairs"]) if options.method == "neighbors" else (options.model, [])
    named = Path(model or config.teacher.path).name
    return _shared(config, named_path(config, "augment", named, config.task.name, *table, *kind))


def distilled_path(config: Config) -> Path:
    """The place of the task's distilled student."""
    rows = [] if config.augmentation.path is None else ["augmented"]
    return named_path(config, "task", *_recipe(config), *rows, config.task.name)


def evaluated_path(config: Config, model: str) -> Path:
    """The place of a model's scores on the task, named after the model and the stage that made it."""
    path = Path(model)
    stage = f"{path.parent.name}-" if path.parent.name in STAGES else ""
    return named_path(config, "evaluate", stage + without_task(config, _model_name(path)), config.task.name)


def labeled_path(config: Config) -> Path:
    """The place of a file's labels, named after the model and the file."""
    model, file = Path(config.label.path or config.teacher.path), Path(str(config.label.file))
    return named_path(config, "label", _model_name(model), file.name.partition(".")[0], config.task.name)


def predicted_path(config: Config, model: str) -> Path:
    """The place of the answers to a file, named after the model and the file."""
    name = without_task(config, _model_name(Path(model)))
    runtime = [] if config.predict.runtime == "pytorch" else [config.predict.runtime]
    return named_path(
        config, "predict", name, *runtime, Path(str(config.predict.file)).name.partition(".")[0], config.task.name
    )


def exported_path(config: Config, model: str) -> Path:
    """The place of what a model of the task is shipped as, named after the model."""
    return _of_model(config, "export", model)


def certified_path(config: Config, model: str) -> Path:
    """The place of a student's certificate, named after the student."""
    return _of_model(config, "certify", model)


def searched_path(config: Config) -> Path:
    """The place of a search for the shape of the task's student, named after the teacher."""
    return named_path(config, "search", Path(config.teacher.path).name, config.task.name)


def report_path(config: Config) -> Path:
    """The place of a report, named after what it is of."""
    return named_path(config, "report", *([Path(path).name for path in config.report.paths][:3] or ["all"]))


def task_model(config: Config, named: str | None) -> str:
    """The model that the chosen stage's option `path` names, or else what stage=task made."""
    if named is not None:
        return named
    made = distilled_path(config)
    if not made.is_dir():
        stage = config.stage
        raise UserError(f"{stage}.path is not set and stage=task has made no {made}: name a model, {stage}.path=DIR")
    return str(made)


def mapping_name(config: Config) -> str:
    """What the rule of the layer mapping is called: by its function."""
    return str(config.mapping["_target_"]).rpartition(".")[2]


def corpus_name(config: Config) -> str:
    """What the corpus is called: as it says, or by its class."""
    return str(config.corpus.get("name") or str(config.corpus["_target_"]).rpartition(".")[2])


def _word(word: str) -> str:
    """A word of a name, in which words are joined by underscores."""
    return re.sub(r"[^a-z0-9.]+", "-", word.lower()).strip("-")


def _recipe(config: Config) -> tuple[str, ...]:
    return Path(config.teacher.path).name, config.student.name, mapping_name(config), config.objective.name


def _of_model(config: Config, stage: str, model: str) -> Path:
    words = without_task(config, _model_name(Path(model))).split("_")
    return named_path(config, stage, *words, config.task.name)


def _model_name(path: Path) -> str:
    """Its directory's; what a job of a sweep made is called after the job."""
    return f"{path.parent.parent.name}-{path.parent.name}" if path.name in STAGES else path.name


def _shared(config: Config, plain: Path) -> Path:
    """The place of an input of the sweep's jobs: `plain`, outside of a sweep's job.

    Inside as well where something that depends on the same stands there already.
    """
    if config.paths.job is None:
        return plain
    depends = OF_STAGE[plain.parent.name]
    wanted = depends(config).digest
    ours = plain.with_name(f"{plain.name}-{wanted[:8]}")
    made = record_of(plain)
    if made is None or ours.exists():
        return ours
    try:
        return plain if depends(stored(made.configuration)).digest == wanted else ours
    except OmegaConfBaseException:  # of another version, whose options are others
        return ours
