"""What a teacher's logits depend on: against known answers, and in what is solved with it."""

import pytest
import torch

from tests.conftest import bert
from tinydistill.initialization.closed_form import solve_student
from tinydistill.initialization.sensitivity import WEIGHT, Sensitivity, gradients
from tinydistill.models.heads import Head, add_head
from tinydistill.models.observation import Observation, Observer
from tinydistill.models.students import new_student, student_config

MASK = torch.tensor([[True, True, False], [True, True, True]])


def states(layers=(0, 1), width=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {n: torch.randn(2, 3, width, generator=generator).requires_grad_() for n in layers}


def text(rows, seed=0):
    ids = torch.randint(5, 28, (rows, 12), generator=torch.Generator().manual_seed(seed))
    return [{"input_ids": part, "attention_mask": torch.ones_like(part)} for part in ids.split(16)]


def test_a_number_moves_with_what_it_is_made_of_and_with_nothing_else():
    hidden, weights = states(), torch.tensor([1.0, 0.0, -2.0, 0.0])
    found = Sensitivity(seed=0)
    found.update(Observation(hidden, {}, hidden[1][:, :1] @ weights), MASK)
    assert list(found.moments) == [1]  # the embeddings have no part in it
    torch.testing.assert_close(found.moments[1], 2 * torch.outer(weights, weights).double())


def test_padding_counts_neither_as_a_token_nor_as_one_with_logits():
    weights = torch.tensor([[1.0, 0.5, -2.0, 0.0]]).T
    found = Sensitivity(seed=0)
    hidden = states()
    found.update(Observation(hidden, {}, hidden[1] @ weights), MASK)
    torch.testing.assert_close(found.moments[1], 5 * (weights @ weights.T).double())


def test_the_moments_of_several_logits_are_those_of_each_on_average():
    weights = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    found = Sensitivity(seed=0)
    for seed in range(400):
        hidden = states(seed=seed)
        found.update(Observation(hidden, {}, hidden[1][:, 0] @ weights), MASK)
    torch.testing.assert_close(found.moments[1] / 800, (weights @ weights.T).double(), atol=0.5, rtol=0.1)


def test_a_model_without_logits_has_none_and_every_direction_counts_the_same():
    found = Sensitivity(seed=0)
    found.update(Observation(states(), {}), MASK)
    assert not found.moments
    for root in found.root(1, torch.eye(4)[:, :3]):
        assert torch.equal(root, torch.eye(3, dtype=torch.double))


def test_errors_that_the_logits_notice_count_more():
    found, basis = Sensitivity(seed=0), torch.eye(4)[:, :3]
    found.moments[1] = torch.diag(torch.tensor([6.0, 0.0, 0.0, 9.0], dtype=torch.double))
    root, inverse = found.root(1, basis)
    counted = [float((error @ root).square().sum()) for error in torch.eye(3, dtype=torch.double)]
    assert counted == pytest.approx([1 + 3 * WEIGHT, 1, 1])
    torch.testing.assert_close(root @ inverse, torch.eye(3, dtype=torch.double))


@pytest.mark.parametrize("frozen", [False, True], ids=["trainable", "frozen"])
def test_states_have_gradients_where_they_are_wanted_and_the_model_is_as_before(frozen):
    model = add_head(bert(2, 16, initializer_range=0.2), Head(("a", "b")), seed=0).requires_grad_(not frozen)
    observer, (batch,) = Observer(model, [0, 1, 2]), text(16)
    with torch.no_grad():
        with gradients(model, wanted=True):
            found = Sensitivity(seed=0)
            found.update(observer(batch), batch["attention_mask"].bool())
        assert list(found.moments) == [0, 1, 2]
        with gradients(model, wanted=False):
            assert not observer(batch).hidden[1].requires_grad
        assert not observer(batch).hidden[1].requires_grad
    assert all(parameter.grad is None for parameter in model.parameters())


@torch.no_grad()
def first_states(model, layer, rows, seed):
    observer = Observer(model, [layer])
    return torch.cat([observer(batch).hidden[layer][:, 0] for batch in text(rows, seed)])


def test_a_student_of_a_teacher_with_a_head_has_more_of_what_the_head_reads():
    teacher = add_head(bert(4, 32, seed=1, initializer_range=0.2), Head(("a", "b")), seed=0).eval()
    read = torch.randn(32, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        teacher.base_model.pooler.dense.weight.copy_(0.05 * read.expand(32, 32))  # all that its logits depend on
    config = student_config(
        teacher.config, num_layers=2, hidden_size=16, intermediate_size=64, num_heads=4, dropout=0.0
    )
    seen, unseen = (first_states(teacher.base_model, 4, rows, seed) @ read for rows, seed in ((600, 0), (160, 1)))
    missed = []
    for taught_by in (teacher.base_model, teacher):
        student = new_student(config, 0).eval()
        assert solve_student(student, taught_by, (2, 4), text(600), seed=0) == ()
        ours = [
            torch.nn.functional.pad(first_states(student, 2, *of), (0, 1), value=1.0) for of in ((600, 0), (160, 1))
        ]
        weights = torch.linalg.lstsq(ours[0], seen.unsqueeze(1)).solution
        missed.append(float((ours[1] @ weights).squeeze(1).sub(unseen).square().mean() / unseen.var(unbiased=False)))
    assert missed[1] < 0.95 * missed[0] < 0.95
