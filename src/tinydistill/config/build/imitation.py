"""How a student begins to imitate its teacher: the mapping and the objective, and the first weights of both."""

import functools
from collections.abc import Callable
from pathlib import Path

from torch import Tensor
from transformers import PreTrainedModel

from tinydistill.config.build.models import layer_mapping, new_student_config, objective
from tinydistill.config.schema import Config
from tinydistill.console import say
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.text.datamodule import TextDataModule
from tinydistill.distillation.layer_phase import chosen_mapping
from tinydistill.distillation.mapping import Mapping, layer_similarity
from tinydistill.distillation.objective import Objective
from tinydistill.initialization.closed_form import solve_projections
from tinydistill.initialization.start import first_weights
from tinydistill.models.students import new_student

Batches = list[dict[str, Tensor]]


def imitation(
    config: Config,
    directory: Path,
    data: TextDataModule | TaskDataModule,
    teacher: PreTrainedModel,
    student: PreTrainedModel,
    *,
    given: bool,
) -> tuple[Objective, Callable[[], None]]:
    """The objective between two encoders, and what gives student and projections their first weights.

    A student that is `given` keeps its weights; a new one starts as student.init says. Where an interrupted run below
    `directory` goes on, its mapping is taken.
    """
    sample = functools.cache(lambda: list(data.sample_batches(config.general.sample_tokens)))

    def similarity() -> Tensor:
        return layer_similarity(student if given else teacher, teacher, sample())

    mapping = chosen_mapping(directory) or layer_mapping(config, student.config, teacher.config, similarity)
    made = objective(config, mapping).bind(student.config, teacher.config)

    def initialize() -> None:
        say(f"first weights and projections: {'given' if given else config.student.init}")
        if not given:
            initialize_new(config, student, teacher, mapping, sample())
        if made.projections is not None and (given or config.student.init != "random"):
            solved = solve_projections(student, teacher, mapping, sample(), shared=made.projection == "shared")
            for m in {term.student_layer for term in made.of("hidden")}:
                made.set_projection(m, *solved[m])

    return made, initialize


def new_encoder(
    config: Config, teacher: PreTrainedModel, data: TextDataModule | TaskDataModule, tokens: int
) -> PreTrainedModel:
    """A new student of a teacher's encoder, with its first weights by student.init, from so many tokens of the data."""
    student = new_student(new_student_config(config, teacher.config), config.seed)
    if config.student.init == "random":
        return student
    sample = list(data.sample_batches(tokens))
    similarity = functools.partial(layer_similarity, teacher, teacher, sample)
    initialize_new(config, student, teacher, layer_mapping(config, student.config, teacher.config, similarity), sample)
    return student


def initialize_new(
    config: Config, student: PreTrainedModel, teacher: PreTrainedModel, mapping: Mapping, sample: Batches
) -> None:
    """Give a new student its first weights by student.init, in place."""
    left = first_weights(
        student,
        teacher,
        mapping,
        sample,
        method=config.student.init,
        seed=config.seed,
        cache_dir=Path(config.paths.cache),
    )
    for part in left:
        say(f"student.init={config.student.init} leaves at random: {part}")
