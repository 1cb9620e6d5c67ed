"""The student, the mapping and the objective that a configuration asks for, checked before any weight is loaded."""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from transformers import PretrainedConfig

from tinydistill.config.build.nodes import built, function_of, takes
from tinydistill.config.names import mapping_name
from tinydistill.config.schema import Config
from tinydistill.distillation.losses import Loss
from tinydistill.distillation.mapping import Mapping, check
from tinydistill.distillation.objective import Objective
from tinydistill.errors import UserError
from tinydistill.initialization.start import check_start
from tinydistill.models import students


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


def check_fit(config: Config, student: PretrainedConfig, teacher: PretrainedConfig) -> None:
    """Raises UserError where mapping, heads or widths don't fit: known before any weight is loaded."""
    if _wants_similarity(config):
        if student.num_hidden_layers > teacher.num_hidden_layers:
            raise UserError("mapping=auto needs a student of no more layers than the teacher; take mapping=list")
    else:
        layer_mapping(config, student, teacher, lambda: Tensor())
    options = config.objective
    heads = student.num_attention_heads, teacher.num_attention_heads
    if options.attention and heads[0] != heads[1]:
        raise UserError(
            f"the student has {heads[0]} attention heads, the teacher {heads[1]}; set student.num_heads={heads[1]}, "
            "or take objective=minilmv2, which needs no equal numbers"
        )
    widths = student.hidden_size, teacher.hidden_size
    for width in widths:
        if options.relation and width % options.relation_heads:
            raise UserError(f"objective.relation_heads={options.relation_heads} doesn't divide a width of {width}")
    new, init = config.student.path is None, config.student.init
    if new:
        check_start(student, teacher, init)
    if new and init == "closed_form" and options.projection == "none":
        raise UserError(
            "student.init=closed_form starts in a basis of its own, which objective.projection=none can't compare; "
            "take student.init=teacher_layers"
        )
    if widths[0] != widths[1] and options.projection == "none":
        raise UserError(
            f"objective.projection=none needs equal widths, not {widths[0]} and {widths[1]}; "
            "take objective.projection=per_layer"
        )
