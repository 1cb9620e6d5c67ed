"""FLOPs beside counts by hand."""

import pytest
import torch
from torch import nn

from tests.conftest import bert
from tinydistill.benchmarking.gemm import counted
from tinydistill.distillation.imitation import Imitation
from tinydistill.distillation.objective import Objective
from tinydistill.models import attention
from tinydistill.models.fast_paths import cpu_kernels as kernels

WIDTH, INNER, LAYERS, ROWS, LENGTH = 16, 32, 2, 3, 10


def linear_flops(width: int, inner: int, layers: int) -> int:
    """Of the linear maps of so many layers, for one token."""
    return 2 * layers * (4 * width * width + 2 * width * inner)


def attention_flops(width: int, layers: int, length: int) -> int:
    """Of scores and their products with values, for one row."""
    return 2 * layers * 2 * length * length * width


def ids() -> torch.Tensor:
    return torch.arange(ROWS * LENGTH).view(ROWS, LENGTH) % 25


def test_a_linear_map_has_two_a_weight_and_row_and_twice_that_backward():
    layer, x = nn.Linear(5, 7), torch.randn(3, 5, requires_grad=True)
    with counted() as counter:
        y = layer(x)
    assert counter.get_total_flops() == 2 * 3 * 5 * 7
    with counted() as counter:
        y.sum().backward()
    assert counter.get_total_flops() == 2 * 2 * 3 * 5 * 7


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("padded", [False, True])
def test_a_bert_has_those_of_the_formula_however_it_attends(dtype, padded):
    model = attention.use(bert(LAYERS, WIDTH).to(dtype))
    mask = torch.ones(ROWS, LENGTH, dtype=torch.long)
    mask[0, 5:] = 0 if padded else 1
    forward = ROWS * (
        LENGTH * linear_flops(WIDTH, INNER, LAYERS) + attention_flops(WIDTH, LAYERS, LENGTH) + 2 * WIDTH * WIDTH
    )
    with counted() as counter:
        states = model(ids(), attention_mask=mask)
    assert counter.get_total_flops() == forward
    with counted() as counter:
        (states.last_hidden_state.float().sum() + states.pooler_output.float().sum()).backward()
    assert counter.get_total_flops() == 2 * forward
    assert kernels.fast()


def test_a_step_of_distillation_has_teacher_student_projections_and_score_maps():
    student, teacher = bert(1, WIDTH), bert(LAYERS, 2 * WIDTH)
    objective = Objective((2,), scale="raw")
    imitation = Imitation(teacher, student, objective)
    with counted() as counter:
        objective.total(imitation({"input_ids": ids()})[1]).backward()
    pooler = 2 * WIDTH * WIDTH
    of_teacher = LENGTH * linear_flops(2 * WIDTH, 4 * WIDTH, LAYERS) + attention_flops(2 * WIDTH, LAYERS, LENGTH)
    of_student = LENGTH * linear_flops(WIDTH, INNER, 1) + attention_flops(WIDTH, 1, LENGTH)
    projections = 2 * LENGTH * 2 * WIDTH * 2 * WIDTH  # of embeddings and the layer
    scores = 2 * LENGTH * LENGTH * (WIDTH + 2 * WIDTH + 2 * WIDTH)  # their difference, and two gradients
    by_hand = ROWS * (of_teacher + 4 * pooler + 3 * (of_student + projections) + pooler + scores)
    assert counter.get_total_flops() == by_hand
