"""A new student's first weights by the method that was chosen."""

from collections.abc import Sequence
from pathlib import Path

from transformers import PretrainedConfig, PreTrainedModel

from tinydistill.errors import InputError
from tinydistill.initialization import cached
from tinydistill.initialization.closed_form import check_widths, solve_student
from tinydistill.initialization.layer_solvers import Batch
from tinydistill.initialization.teacher_layers import copy_layers

METHODS = ("closed_form", "teacher_layers", "random")


def check_start(student: PretrainedConfig, teacher: PretrainedConfig, method: str) -> None:
    """Raises InputError where a new student of this size can't start from the teacher in this way."""
    if method not in METHODS:
        raise InputError(f"{method} is no way to start a student", f"take {', '.join(METHODS[:-1])} or {METHODS[-1]}")
    if method == "closed_form":
        check_widths(student, teacher)
    if method == "teacher_layers" and student.hidden_size != teacher.hidden_size:
        raise InputError(
            f"copies of teacher layers need equal widths, not {student.hidden_size} and {teacher.hidden_size}",
            "take {initialize_student.method}=closed_form",
        )


def first_weights(
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    mapping: Sequence[int | None],
    batches: Sequence[Batch],
    *,
    method: str,
    seed: int,
    cache_dir: Path | None = None,
) -> tuple[str, ...]:
    """Gives a student that is new for this seed its first weights, in place; returns what was left at random.

    `batches` are what the closed form looks at, [B, L] each; with a `cache_dir` its solution is kept there, and taken
    from there for the same models and batches. Raises InputError where the two don't fit.
    """
    check_start(student.config, teacher.config, method)
    if method == "teacher_layers":
        copy_layers(student, teacher, mapping)
    if method != "closed_form":
        return ()
    if cache_dir is None:
        return solve_student(student, teacher, mapping, batches, seed=seed)
    return cached.solve(student, teacher, mapping, batches, seed=seed, cache_dir=cache_dir)
