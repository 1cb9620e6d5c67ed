"""A student's start as copies of chosen teacher layers, where the widths agree."""

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel

from tinydistill.errors import InputError
from tinydistill.initialization.closed_form import complete
from tinydistill.models.encoder_parts import transformer_layers


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


def _copy(parameter: torch.Tensor, source: torch.Tensor, name: str) -> None:
    if parameter.shape != source.shape:
        raise InputError(f"{name} is {tuple(parameter.shape)} in the student, {tuple(source.shape)} in the teacher")
    parameter.copy_(source)
