"""The attention of mapped layers, side by side.

Shapes: H heads, L tokens of one text.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from tinydistill.models.observation import Observer, attention_probabilities


@torch.no_grad()
def attention_maps(
    student: PreTrainedModel, teacher: PreTrainedModel, row: Mapping[str, Tensor], pairs: Sequence[tuple[int, int]]
) -> list[tuple[Tensor, Tensor]]:
    """For every mapped pair the probabilities of student and teacher, each [H, L, L], on one row without padding.

    `pairs` are (student layer, teacher layer). The models are left tapped; `observation.release` undoes that.
    """
    student_layers, teacher_layers = zip(*pairs, strict=True)
    ours, theirs = (
        Observer(model, (), layers)(row).attention
        for model, layers in ((student, student_layers), (teacher, teacher_layers))
    )
    return [(attention_probabilities(ours[m]), attention_probabilities(theirs[n])) for m, n in pairs]
