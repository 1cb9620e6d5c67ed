"""The student, the mapping and the objective that a configuration asks for, checked before any weight is loaded."""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from transformers import PretrainedConfig

from tinydistill.config.build.nodes import built, function_of, takes
from tinydistill.config.names import mapping_name
from tinydistill.config.schema import Config
from tinydistill.console import say
from tinydistill.data.tasks.targets import Target
from tinydistill.distillation.losses import Loss
from tinydistill.distillation.mapping import Mapping, check, uniform
from tinydistill.distillation.objective import Objective
from tinydistill.distillation.teacher_checks import check_head
from tinydistill.errors import UserError
from tinydistill.initialization.start import check_start
from tinydistill.kinds import TaskKind, kind_of
from tinydistill.models import students
from tinydistill.models.heads import Head
from tinydistill.models.source import Source


def new_student_config(config: Config, teacher: PretrainedConfig) -> PretrainedConfig:
    """The configuration of a student of the size in conf/student."""
    student = config.student
    return students.student_config(
        teacher,
        num_layers=student.num_layers,
        hidden_size=student.hidden_size,
        intermediate_size=student.intermediate_size,
        num_heads=student.num_heads,
        dropout=student.dropout,
    )


def layer_mapping(
    config: Config, student: PretrainedConfig, teacher: PretrainedConfig, similarity: Callable[[], Tensor]
) -> Mapping:
    """The mapping by its rule, checked against both depths; `similarity` is asked for where the rule takes it."""
    depths = student.num_hidden_layers, teacher.num_hidden_layers
    rule, name = function_of("mapping", config.mapping), mapping_name(config)
    asked: dict[str, Any] = {"similarity": similarity()} if _wants_similarity(config) else {}
    try:
        return check(rule(*depths, **asked), *depths)
    except (ValueError, TypeError) as error:
        raise UserError(f"mapping={name}: {error}; name others with mapping=list 'mapping.layers=[...]'") from error


def _wants_similarity(config: Config) -> bool:
    return "similarity" in takes("mapping", config.mapping)


def objective(config: Config, mapping: Mapping) -> Objective:
    """The losses of conf/objective that have a weight, on the mapped layers."""
    options = config.objective
    losses = {
        name: built(f"objective.losses.{name}", node, Loss)
        for name, node in options.losses.items()
        if node.get("weight", 1.0)
    }
    return Objective(mapping, losses, scale=options.scale, projection=options.projection)


def check_fit(config: Config, student: PretrainedConfig, teacher: PretrainedConfig, *, given: bool = False) -> None:
    """Raises an error where mapping, heads or widths don't fit: known before any weight is loaded."""
    depths = student.num_hidden_layers, teacher.num_hidden_layers
    if _wants_similarity(config):
        if depths[0] > depths[1]:
            raise UserError("mapping=auto needs a student of no more layers than the teacher; take mapping=list")
        mapping = uniform(*depths)
    else:
        mapping = layer_mapping(config, student, teacher, lambda: Tensor())
    objective(config, mapping).bind(student, teacher)
    if given or config.student.path is not None:
        return
    check_start(student, teacher, config.student.init)
    if config.student.init == "closed_form" and config.objective.projection == "none":
        raise UserError(
            "student.init=closed_form starts in a basis of its own, which objective.projection=none can't compare; "
            "take student.init=teacher_layers"
        )


def model_kind(model: Source, target: Target) -> TaskKind:
    """The task's kind as a model answers that its configuration says all of, or else as usual, which is said."""
    kind = kind_of(target)
    found = kind.read_from(model.config)
    if found is None:
        say(f"{model.called}={model.path} says nothing of {', '.join(kind.configuration)} in its config.json")
    return found or kind


def check_task_head(model: Source, target: Target, *, check_labels: bool = True, head: Head | None = None) -> None:
    """Raises InputError where a model has no head, or one that predicts something else than the task asks for.

    The head is that of the task's kind unless a certain one is given.
    """
    (head or kind_of(target).head).check(model.config, model.path, model.revision, called=model.called)
    if target.labeled:
        theirs = tuple(str(model.config.id2label[number]) for number in sorted(model.config.id2label))
        check_head(theirs, target, check_labels=check_labels, called=f"{model.called}={model.path}")
