"""Finding the models that a configuration names."""

from collections.abc import Sequence

from tinydistill.config.build.nodes import class_of
from tinydistill.config.names import finetuned_path, general_path, pretrained_path
from tinydistill.config.schema import Config
from tinydistill.errors import UserError
from tinydistill.models.heads import has_head
from tinydistill.models.masked_lm import has_masked_lm_head
from tinydistill.models.source import Source, find, longest_input

_MAKE_MASKED_LM = "make one with stage=pretrain, or name one with augmentation.model=DIR_OR_HUB_NAME"


def find_teacher(config: Config) -> Source:
    """The teacher that the configuration names."""
    return find(config.teacher.path, "teacher.path", config.teacher.revision)


def find_student(config: Config) -> Source | None:
    """The student that the configuration names; None where it is to be made."""
    return find(config.student.path, "student.path") if config.student.path else None


def learns_from_labels(config: Config) -> bool:
    """Whether the rows of a task have labels; where they have none, the teacher is taken as it is."""
    return bool(getattr(class_of("task.source", config.task.source), "labeled", True))


def knows_the_task(config: Config, teacher: Source) -> bool:
    """Whether a teacher needs no fine-tuning: it has a head, or there is nothing to fine-tune it on."""
    return has_head(teacher.config) or not learns_from_labels(config)


def find_task_teacher(config: Config) -> Source:
    """The teacher of the task: teacher.path if it knows the task, else what stage=finetune made of it."""
    named = find_teacher(config)
    if knows_the_task(config, named):
        return named
    made = finetuned_path(config)
    if not made.is_dir():
        raise UserError(
            f"teacher.path={config.teacher.path} has no head for a task, and there is no fine-tuned teacher "
            f"in {made}: make one with stage=finetune, or name one with teacher.path=DIR"
        )
    return find(str(made), "teacher.path")


def find_start(config: Config) -> Source | None:
    """What the student of a task starts from: student.path, or what stage=general made; None where it is to be made."""
    if (named := find_student(config)) is not None:
        return named
    if not wants_general(config):
        return None
    made = general_path(config)
    if not made.is_dir():
        raise UserError(
            f"there is no general student in {made}: make one with stage=general, name one with student.path=DIR, or "
            "start without one: distill.start=task"
        )
    return find(str(made), "student.path")


def makes_teacher(config: Config) -> bool:
    """Whether stage=finetune must make the teacher: it has no head, nor do its answers come with the rows."""
    return not config.task.soft_labels and not knows_the_task(config, find_teacher(config))


def wants_general(config: Config) -> bool:
    """Whether stage=general must make what the student of a task starts from."""
    return config.student.path is None and config.distill.start == "general"


def wants_masked_lm(config: Config) -> bool:
    """Whether stage=pretrain must make the masked LM: rows are made by one, none is named, and the teacher is none."""
    wanted = config.augmentation.method == "masked_lm" and config.augmentation.model is None
    return wanted and not has_masked_lm_head(find_teacher(config).config)


def find_masked_lm(config: Config) -> Source:
    """The masked LM: augmentation.model, or else what stage=pretrain made of the teacher, or the teacher itself."""
    named, made = config.augmentation.model, pretrained_path(config)
    if named is None and made.is_dir():
        named = str(made)
    found = find_teacher(config) if named is None else find(named, "augmentation.model")
    if not has_masked_lm_head(found.config):
        missing = f"{found.called}={found.path} holds no masked-LM head"
        if named is None:
            missing = f"augmentation.model is not set, stage=pretrain has made no {made}, and {missing}"
        raise UserError(f"{missing}: {_MAKE_MASKED_LM}")
    if found.tokenizer.mask_token_id is None:
        raise UserError(f"{found.called}={found.path}: its tokenizer has no mask token: {_MAKE_MASKED_LM}")
    return found


def check_length(config: Config, *sources: Source) -> None:
    """Raises UserError where a task's rows may be longer than a model has positions for."""
    longest = min(longest_input(source.config) for source in sources)
    if config.task.max_length > longest:
        raise UserError(f"task.max_length={config.task.max_length} is too long: the model ends at {longest}")


def check_positions(option: str, lengths: Sequence[int], *sources: Source) -> None:
    """Raises UserError where models have fewer positions than an input of one of these lengths has tokens."""
    longest = min(longest_input(source.config) for source in sources)
    if too_long := [length for length in lengths if length > longest]:
        raise UserError(f"{option}={too_long[0]} is too long: the models end at {longest}")
