import pytest
import torch

from tests.conftest import bert
from tinydistill.distillation import losses, mapping
from tinydistill.distillation.objective import Objective, Weights
from tinydistill.distillation.teacher_statistics import teacher_statistics_over, variance
from tinydistill.models.observation import Observer, padding_mask

BATCH = {"input_ids": torch.randint(5, 28, (3, 10), generator=torch.Generator().manual_seed(0))}


def make(weights=Weights(), layers=(2, 4), **options) -> Objective:  # noqa: B008 - frozen
    torch.manual_seed(0)
    return Objective(layers, weights, student_width=16, teacher_width=32, **options)


def observe(objective: Objective):
    student = Observer(bert(2, 16), *objective.layers(0))
    teacher = Observer(bert(4, 32, seed=1, initializer_range=0.2), *objective.layers(1))
    return student(BATCH), teacher(BATCH), padding_mask(BATCH)


def test_terms_are_named_by_loss_and_student_layer():
    objective = make()
    names = ["embedding/0", "hidden/1", "hidden/2", "attention/1", "attention/2"]
    assert objective.names == names
    assert list(objective(*observe(objective))) == names


def test_a_loss_without_weight_is_neither_observed_nor_computed():
    objective = make(Weights(embedding=0, attention=0))
    assert objective.layers(0) == ([1, 2], [])
    assert objective.layers(1) == ([2, 4], [])
    assert objective.names == ["hidden/1", "hidden/2"]


def test_every_loss_switched_off_is_an_error():
    with pytest.raises(ValueError, match="every loss has weight 0"):
        make(Weights(0, 0, 0, 0))


def test_the_total_is_the_weighted_sum_of_the_raw_terms():
    objective = make(Weights(embedding=2, hidden=0.5, attention=3))
    terms = objective(*observe(objective))
    expected = 2 * terms["embedding/0"] + 0.5 * (terms["hidden/1"] + terms["hidden/2"])
    expected = expected + 3 * (terms["attention/1"] + terms["attention/2"])
    torch.testing.assert_close(objective.total(terms), expected)


def test_scaled_terms_are_the_share_of_the_teachers_variance_left_unexplained():
    objective = make(scale="teacher_variance")
    teacher = Observer(bert(4, 32, seed=1, initializer_range=0.2), *objective.layers(1))
    moments = teacher_statistics_over(teacher, [BATCH])
    objective.measure_against(moments)
    terms = objective(*observe(objective))
    unexplained = objective.unexplained(terms)
    assert unexplained["hidden/2"].item() == pytest.approx((terms["hidden/2"] / variance(moments.hidden[4])).item())
    assert unexplained["attention/1"].item() == pytest.approx((terms["attention/1"] / moments.attention[2]).item())
    torch.testing.assert_close(objective.total(terms), sum(unexplained.values()))


def test_guessing_the_teachers_mean_leaves_all_its_variance_unexplained():
    objective = make(Weights(attention=0))
    teacher = Observer(bert(4, 32, seed=1, initializer_range=0.2), *objective.layers(1))
    objective.measure_against(teacher_statistics_over(teacher, [BATCH]))
    student, shown, mask = observe(objective)
    for m, n in ((0, 0), (1, 2), (2, 4)):
        objective.set_projection(m, torch.zeros(32, 16), shown.hidden[n].flatten(0, 1).mean(0))
    for value in objective.unexplained(objective(student, shown, mask)).values():
        assert value.item() == pytest.approx(1, rel=1e-4)


def test_a_shared_projection_is_one_linear_map():
    assert sum(p.numel() for p in make(projection="shared").parameters()) == 16 * 32 + 32
    assert sum(p.numel() for p in make(projection="per_layer").parameters()) == 3 * (16 * 32 + 32)


def test_no_projection_needs_equal_widths():
    with pytest.raises(ValueError, match="widths must agree: student 16, teacher 32"):
        make(projection="none")


def test_relations_are_compared_on_mapped_layers_alone_and_have_no_variance():
    objective = make(Weights(0, 0, 0, 1), layers=mapping.last(2, 4), relation_heads=8)
    student, teacher, mask = observe(objective)
    terms = objective(student, teacher, mask)
    assert list(terms) == ["relation/2"]
    torch.testing.assert_close(
        terms["relation/2"], losses.relation_kl(student.attention[2], teacher.attention[4], mask, 8)
    )
    assert objective.unexplained(terms) == {}
