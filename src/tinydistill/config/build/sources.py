"""Finding the models that a configuration names, and the place where a stage publishes."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PretrainedConfig, PreTrainedTokenizerBase

from tinydistill.models import loading as models
from tinydistill.errors import UserError
from tinydistill.models.heads import has_head
from tinydistill.models.masked_lm import MEND, has_masked_lm_head
from tinydistill.config.schema import STAGES
from tinydistill.config import dependencies as shared

Values = dict[str, Any]
AUGMENTED = "augmented.parquet"  # what stage=augment calls its file
OF_A_JOB = ("task", "evaluate", "export", "pipeline")  # stages whose artifacts belong to one job of a sweep


def output_path(values: Values, default: Path) -> Path:
    """Where this run's stage publishes: `output_dir`, or else the readable name made from the choices."""
    return default if values["output_dir"] is None else Path(values["output_dir"])


def named_path(values: Values, stage: str, *words: str) -> Path:
    """Where a stage publishes unless `output_dir` says otherwise; what is a sweep's job's own, below its directory."""
    name = "_".join(re.sub(r"[^a-z0-9.]+", "-", word.lower()).strip("-") for word in words)
    job = values["paths"]["job"] if stage in OF_A_JOB else None
    return Path(job or values["paths"]["outputs"]) / stage / name


def general_path(values: Values) -> Path:
    """The general student's place."""
    plain = named_path(values, "general", *_recipe(values), values["corpus"]["name"])
    return shared.shared_path(values, plain, shared.of_general)


def finetuned_path(values: Values, model: str = "teacher") -> Path:
    """The place of the task's fine-tuned teacher, or of the student without distillation."""
    student = values["student"]
    if model == "teacher":
        name = Path(values["teacher"]["path"]).name
    else:
        name = Path(student["path"]).name if student["path"] else f"{student['name']}-{student['init']}"
    plain = named_path(values, "finetune", name, values["task"]["name"])
    options = shared.of_finetuned_teacher if model == "teacher" else shared.of_baseline
    return shared.shared_path(values, plain, options)


def distilled_path(values: Values) -> Path:
    """The place of the task's distilled student."""
    rows = [] if values["augmentation"]["path"] is None else ["augmented"]
    return named_path(values, "task", *_recipe(values), *rows, values["task"]["name"])


def task_model(values: Values, stage: str) -> str:
    """The model that the option `path` of a stage names, or else what stage=task made."""
    named = values[stage]["path"]
    if named is not None:
        return str(named)
    made = distilled_path(values)
    if not made.is_dir():
        raise UserError(f"{stage}.path is not set and stage=task has made no {made}: name a model, {stage}.path=DIR")
    return str(made)


def evaluated_path(values: Values, model: str) -> Path:
    """The place of a model's scores on the task, named after the model and the stage that made it."""
    path, task = Path(model), values["task"]["name"]
    stage = f"{path.parent.name}-" if path.parent.name in STAGES else ""
    return named_path(values, "evaluate", stage + _model_name(path).removesuffix(f"_{task}"), task)


def exported_path(values: Values, model: str) -> Path:
    """The place of what a model of the task is shipped as, named after the model."""
    task = values["task"]["name"]
    return named_path(values, "export", *_model_name(Path(model)).removesuffix(f"_{task}").split("_"), task)


def _model_name(path: Path) -> str:
    """Its directory's; what a job of a sweep made is called after the job."""
    return f"{path.parent.parent.name}-{path.parent.name}" if path.name in STAGES else path.name


def _recipe(values: Values) -> tuple[str, ...]:
    names = values["student"]["name"], values["mapping"]["strategy"], values["objective"]["name"]
    return Path(values["teacher"]["path"]).name, *names


def without_distillation(values: Values) -> Values:
    """The configuration of the baseline: the same student from random weights."""
    return {**values, "student": {**values["student"], "path": None, "init": "random"}}


def pretrained_path(values: Values) -> Path:
    """The place of the masked LM made of the teacher."""
    plain = named_path(values, "pretrain", Path(values["teacher"]["path"]).name, values["corpus"]["name"])
    return shared.shared_path(values, plain, shared.of_pretrained)


def augmented_path(values: Values) -> Path:
    """The place of the augmented rows, named after their model, the task, and the table that was given instead."""
    options = values["augmentation"]
    table = [Path(options["input"]).name.partition(".")[0]] if options["input"] else []
    model = Path(options["model"] or values["teacher"]["path"]).name
    plain = named_path(values, "augment", model, values["task"]["name"], *table)
    return shared.shared_path(values, plain, shared.of_augmented)


@dataclass(frozen=True)
class Source:
    """A model to load: where it is, which revision, what its weights are, and the option that named it."""

    path: str
    revision: str | None
    identity: str
    override: str
    config: PretrainedConfig
    tokenizer: PreTrainedTokenizerBase


def find(path: str, override: str, *, revision: str | None = None) -> Source:
    """Looks a model up and reads its configuration and tokenizer, no weights yet."""
    place = models.locate(path, override=override)
    config = models.load_config(place, revision=revision, override=override)
    tokenizer = models.load_tokenizer(place, revision=revision, override=override)
    if len(tokenizer) > config.vocab_size:
        raise UserError(
            f"{override}={path}: the tokenizer knows {len(tokenizer)} pieces, the model only {config.vocab_size}"
        )
    return Source(place, revision, models.identity(place, revision), override, config, tokenizer)


def find_teacher(values: Values) -> Source:
    """The teacher that the configuration names."""
    return find(values["teacher"]["path"], "teacher.path", revision=values["teacher"]["revision"])


def find_task_teacher(values: Values) -> Source:
    """The fine-tuned teacher: teacher.path if it has a classification head, else what stage=finetune made of it."""
    named = find_teacher(values)
    if has_head(named.config):
        return named
    made = finetuned_path(values)
    if not made.is_dir():
        raise UserError(
            f"teacher.path={values['teacher']['path']} has no classification head, and there is no fine-tuned teacher "
            f"in {made}: make one with stage=finetune, or name one with teacher.path=DIR"
        )
    return find(str(made), "teacher.path")


def find_task_student(values: Values) -> Source:
    """What the student of a task starts from: student.path, or else what stage=general made."""
    if values["student"]["path"] is not None:
        return find(values["student"]["path"], "student.path")
    made = general_path(values)
    if not made.is_dir():
        raise UserError(
            f"there is no general student in {made}: make one with stage=general, or name one with student.path=DIR"
        )
    return find(str(made), "student.path")


def wants_masked_lm(values: Values) -> bool:
    """Whether stage=pretrain must make the masked LM: none is named, and the teacher is none."""
    return values["augmentation"]["model"] is None and not has_masked_lm_head(find_teacher(values).config)


def find_masked_lm(values: Values) -> Source:
    """The masked LM: augmentation.model, or else what stage=pretrain made of the teacher, or the teacher itself."""
    named, made = values["augmentation"]["model"], pretrained_path(values)
    if named is None and made.is_dir():
        named = str(made)
    found = find_teacher(values) if named is None else find(named, "augmentation.model")
    if not has_masked_lm_head(found.config):
        missing = f"{found.override}={found.path} holds no masked-LM head"
        if named is None:
            missing = f"augmentation.model is not set, stage=pretrain has made no {made}, and {missing}"
        raise UserError(f"{missing}: {MEND}")
    if found.tokenizer.mask_token_id is None:
        raise UserError(f"{found.override}={found.path}: its tokenizer has no mask token: {MEND}")
    return found


def check_vocabularies(teacher: Source, student: Source) -> None:
    """Raises UserError when the two tokenizers don't give the same ids to the same pieces."""
    ours, theirs = student.tokenizer.get_vocab(), teacher.tokenizer.get_vocab()
    if ours == theirs:
        return
    odd = next((word for word in [*theirs, *ours] if ours.get(word) != theirs.get(word)), "")
    raise UserError(
        f"{student.override} and {teacher.override} don't share a vocabulary ({len(ours)} and {len(theirs)} pieces; "
        f"{odd!r} is {ours.get(odd)} and {theirs.get(odd)}); the student must use the teacher's word pieces"
    )


def longest_input(config: PretrainedConfig) -> int:
    """The number of positions that a model has a place for."""
    reserved = config.pad_token_id + 1 if config.model_type in ("roberta", "camembert", "xlm-roberta") else 0
    return int(config.max_position_embeddings) - reserved
