"""Objects from configuration: teacher, student, mapping, objective."""

from pathlib import Path

import torch
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel

from tinydistill.models import loading as models
from tinydistill.models import students
from tinydistill.console import say
from tinydistill.distillation import mapping
from tinydistill.initialization.closed_form import solve_projections
from tinydistill.distillation.objective import Objective, Weights
from tinydistill.models.observation import Observer
from tinydistill.initialization.teacher_layers import copy_layers
from tinydistill.errors import UserError
from tinydistill.initialization import cached as solved_start
from tinydistill.config.build import training as trainers
from tinydistill.config.build.sources import Source, Values

Batches = list[dict[str, Tensor]]
_CKA_TOKENS = 4000


def teacher(values: Values, source: Source) -> PreTrainedModel:
    """The frozen teacher."""
    dtype = trainers.frozen_dtype(values)
    return models.load_encoder(source.path, revision=source.revision, dtype=dtype, override=source.override)


def new_student_config(values: Values, teacher_config: PretrainedConfig) -> PretrainedConfig:
    """The configuration of a student of the size in conf/student."""
    sizes = ("num_layers", "hidden_size", "intermediate_size", "num_heads", "dropout")
    return students.student_config(teacher_config, **{size: values["student"][size] for size in sizes})


def check_fit(values: Values, student: PretrainedConfig, teacher_config: PretrainedConfig) -> None:
    """Raises UserError where mapping, heads or widths don't fit: known before any weight is loaded."""
    objective_, rule = values["objective"], values["mapping"]["strategy"]
    if rule != "auto":
        mapping_by_rule(values, student, teacher_config)
    elif student.num_hidden_layers > teacher_config.num_hidden_layers:
        raise UserError("mapping=auto needs a student of no more layers than the teacher; take mapping=list")
    heads = student.num_attention_heads, teacher_config.num_attention_heads
    if objective_["attention"] and heads[0] != heads[1]:
        raise UserError(
            f"the student has {heads[0]} attention heads, the teacher {heads[1]}; set student.num_heads={heads[1]}, "
            "or take objective=minilmv2, which needs no equal numbers"
        )
    widths = student.hidden_size, teacher_config.hidden_size
    for width in widths:
        if objective_["relation"] and width % objective_["relation_heads"]:
            raise UserError(
                f"objective.relation_heads={objective_['relation_heads']} doesn't divide a width of {width}"
            )
    check_start(values, student, teacher_config)
    new, init = values["student"]["path"] is None, values["student"]["init"]
    if new and init == "closed_form" and objective_["projection"] == "none":
        raise UserError(
            "student.init=closed_form starts in a basis of its own, which objective.projection=none can't compare; "
            "take student.init=teacher_layers"
        )
    if widths[0] != widths[1] and objective_["projection"] == "none":
        raise UserError(
            f"objective.projection=none needs equal widths, not {widths[0]} and {widths[1]}; "
            "take objective.projection=per_layer"
        )


def check_start(values: Values, student: PretrainedConfig, teacher_config: PretrainedConfig) -> None:
    """Raises UserError where a new student of this size can't start from the teacher as student.init says."""
    ours, theirs = student.hidden_size, teacher_config.hidden_size
    if values["student"]["path"] is not None:
        return
    if values["student"]["init"] == "closed_form" and ours > theirs:
        raise UserError(
            f"student.init=closed_form needs a student no wider than the teacher, not {ours} and {theirs}; "
            "take student.init=random"
        )
    if values["student"]["init"] == "teacher_layers" and ours != theirs:
        raise UserError(
            f"student.init=teacher_layers needs equal widths, not {ours} and {theirs}; take student.init=closed_form"
        )


def mapping_by_rule(values: Values, student: PretrainedConfig, teacher_config: PretrainedConfig) -> mapping.Mapping:
    """The mapping of every strategy but auto, checked against both depths."""
    depths = student.num_hidden_layers, teacher_config.num_hidden_layers
    rule = values["mapping"]["strategy"]
    chosen = values["mapping"]["layers"] if rule == "list" else mapping.STRATEGIES[rule](*depths)
    try:
        return mapping.check(chosen, *depths)
    except ValueError as error:
        raise UserError(f"mapping={rule}: {error}; name others with mapping=list 'mapping.layers=[...]'") from error


def chosen_mapping(
    values: Values,
    config: PretrainedConfig,
    student: PreTrainedModel | None,
    teacher_: PreTrainedModel,
    sample: Batches,
) -> mapping.Mapping:
    """The mapping, for auto by linear CKA on the sample.

    A student that comes with weights is compared with the teacher; for one without, the teacher layers that stand best
    for all others are taken.
    """
    if values["mapping"]["strategy"] != "auto":
        return mapping_by_rule(values, config, teacher_.config)
    theirs = _states(teacher_, sample)
    if student is None:
        return mapping.most_representative(_similarities(theirs, theirs), config.num_hidden_layers)
    return mapping.best_monotone(_similarities(_states(student, sample), theirs))


@torch.no_grad()
def _states(model: PreTrainedModel, sample: Batches) -> list[Tensor]:
    observer = Observer(model, range(1, model.config.num_hidden_layers + 1))
    seen = [observer(batch).hidden for batch in sample]
    return [torch.cat([hidden[n].flatten(0, 1) for hidden in seen])[:_CKA_TOKENS] for n in observer.hidden_layers]


def _similarities(ours: list[Tensor], theirs: list[Tensor]) -> Tensor:
    return torch.tensor([[mapping.linear_cka(x, y) for y in theirs] for x in ours])


def objective(
    values: Values, layer_mapping: mapping.Mapping, student: PretrainedConfig, teacher_config: PretrainedConfig
) -> Objective:
    """The losses of conf/objective on the mapped layers."""
    options = values["objective"]
    return Objective(
        layer_mapping,
        Weights(options["embedding"], options["hidden"], options["attention"], options["relation"]),
        student_width=student.hidden_size,
        teacher_width=teacher_config.hidden_size,
        projection=options["projection"],
        scale=options["scale"],
        relation_heads=options["relation_heads"],
    )


def start(
    values: Values,
    student: PreTrainedModel,
    teacher_: PreTrainedModel,
    layer_mapping: mapping.Mapping,
    objective_: Objective,
    sample: Batches,
) -> None:
    """Gives the student its first weights and the projections theirs, in place.

    Projections are solved for from the student's first weights, except for student.init=random, where they stay random.
    """
    first_weights(values, student, teacher_, layer_mapping, sample)
    given = values["student"]["path"] is not None or values["student"]["init"] != "random"
    if objective_.projections is not None and given:
        shared = values["objective"]["projection"] == "shared"
        solved = solve_projections(student, teacher_, layer_mapping, sample, shared=shared)
        for m in {m for _, m, _ in objective_.states}:
            objective_.set_projection(m, *solved[m])


def first_weights(
    values: Values,
    student: PreTrainedModel,
    teacher_: PreTrainedModel,
    layer_mapping: mapping.Mapping,
    sample: Batches,
) -> None:
    """Gives a new student its first weights by student.init, in place; one from student.path keeps its own."""
    init = values["student"]["init"]
    if values["student"]["path"] is not None or init == "random":
        return
    if init == "teacher_layers":
        copy_layers(student, teacher_, layer_mapping)
        return
    try:
        left = solved_start.solve(
            student,
            teacher_,
            layer_mapping,
            sample,
            seed=values["seed"],
            cache_dir=Path(values["paths"]["cache"]),
        )
    except ValueError as error:
        raise UserError(f"student.init=closed_form: {error}; take student.init=random") from error
    for part in left:
        say(f"student.init=closed_form leaves at random: {part}")
