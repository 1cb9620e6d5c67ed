"""A new student's first weights by the method that was chosen."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_model, save_model
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel

from tinydistill.artifacts.files import built_once, read_json, write_json
from tinydistill.errors import InputError
from tinydistill.initialization.closed_form import check_widths, complete, solve_student
from tinydistill.initialization.layer_solvers import Batch
from tinydistill.models.encoder_parts import transformer_layers

METHODS = ("closed_form", "teacher_layers", "random")
FORMAT = 2  # part of the key: raise it when the closed form becomes another one
_WEIGHTS, _LEFT = "student.safetensors", "left.json"


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
        copy_layers(student, teacher.base_model, mapping)
    if method != "closed_form":
        return ()
    if cache_dir is None:
        return solve_student(student, teacher, mapping, batches, seed=seed)
    return solve_once(student, teacher, mapping, batches, seed=seed, cache_dir=cache_dir)


def solve_once(
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    mapping: Sequence[int | None],
    batches: Sequence[Batch],
    *,
    seed: int,
    cache_dir: Path,
) -> tuple[str, ...]:
    """`solve_student`, on a student that is new for this seed; from the cache where it was solved for before."""
    settings = [FORMAT, student.config.to_json_string(), mapping, seed]
    tensors = [*teacher.state_dict().values(), *(batch[name] for batch in batches for name in sorted(batch))]

    def build(work: Path) -> None:
        left = solve_student(student, teacher, mapping, batches, seed=seed)
        save_model(student, str(work / _WEIGHTS))
        write_json(work / _LEFT, list(left))

    entry = built_once(cache_dir / f"start-{_key(json.dumps(settings), tensors)}", build)
    load_model(student, entry / _WEIGHTS)
    return tuple(read_json(entry / _LEFT))


def _key(settings: str, tensors: Iterable[Tensor]) -> str:
    found = hashlib.sha256(settings.encode())
    for tensor in tensors:
        found.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()[:16]


@torch.no_grad()
def copy_layers(student: PreTrainedModel, teacher: PreTrainedModel, mapping: Sequence[int | None]) -> None:
    """Makes student layer m a copy of teacher layer g(m), and everything outside the layers a copy too, in place.

    A student layer without a teacher layer takes one between its neighbors'. Raises InputError for an architecture that
    keeps no list of layers, and when the shapes differ.
    """
    ours, theirs = transformer_layers(student), transformer_layers(teacher)
    inside = {id(p) for p in ours.parameters()}
    sources = dict(teacher.named_parameters())
    for name, parameter in student.named_parameters():
        if id(parameter) not in inside:
            _copy(parameter, sources[name], name)
    for m, n in enumerate(complete(mapping, len(theirs)), start=1):
        layer = dict(theirs[n - 1].named_parameters())
        for name, parameter in ours[m - 1].named_parameters():
            _copy(parameter, layer[name], f"layer {m}, {name}")


def _copy(parameter: Tensor, source: Tensor, name: str) -> None:
    if parameter.shape != source.shape:
        raise InputError(f"{name} is {tuple(parameter.shape)} in the student, {tuple(source.shape)} in the teacher")
    parameter.copy_(source)
