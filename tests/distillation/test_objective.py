import pytest
import torch

from tests.conftest import bert
from tinydistill.distillation import functional, mapping
from tinydistill.distillation.losses import AttentionMSE, EmbeddingMSE, HiddenMSE, Loss, RelationKL
from tinydistill.distillation.objective import Objective
from tinydistill.distillation.teacher_statistics import teacher_statistics_over
from tinydistill.errors import InputError
from tinydistill.initialization.linear_algebra import variance
from tinydistill.kinds.functional import soft_cross_entropy
from tinydistill.models.observation import Observation, Observer, padding_mask

BATCH = {"input_ids": torch.randint(5, 28, (3, 10), generator=torch.Generator().manual_seed(0))}


STUDENT, TEACHER = bert(2, 16).config, bert(4, 32, seed=1).config


def make(losses=None, layers=(2, 4), scale="raw", **options) -> Objective:
    torch.manual_seed(0)
    return Objective(layers, losses, scale=scale, **options).bind(STUDENT, TEACHER)


def weighted(embedding: float, hidden: float, attention: float) -> dict[str, Loss]:
    return {"embedding": EmbeddingMSE(embedding), "hidden": HiddenMSE(hidden), "attention": AttentionMSE(attention)}


def observe(objective: Objective):
    student = Observer(bert(2, 16), *objective.layers(0))
    teacher = Observer(bert(4, 32, seed=1, initializer_range=0.2), *objective.layers(1))
    return student(BATCH), teacher(BATCH), padding_mask(BATCH)


def test_terms_are_named_by_loss_and_student_layer():
    objective = make()
    names = ["embedding/0", "hidden/1", "hidden/2", "attention/1", "attention/2"]
    assert [term.name for term in objective.terms] == names
    assert list(objective(*observe(objective))) == names


def test_a_loss_without_weight_is_neither_observed_nor_computed():
    objective = make(weighted(0, 1, 0))
    assert objective.layers(0) == ([1, 2], [])
    assert objective.layers(1) == ([2, 4], [])
    assert [term.name for term in objective.terms] == ["hidden/1", "hidden/2"]
    assert make({"hidden": HiddenMSE(), "attention": None}).layers(0) == ([1, 2], [])


def test_every_loss_switched_off_is_an_error():
    with pytest.raises(ValueError, match="every loss has weight 0"):
        make(weighted(0, 0, 0))


def test_the_total_is_the_weighted_sum_of_the_raw_terms():
    objective = make(weighted(2, 0.5, 3))
    terms = objective(*observe(objective))
    expected = 2 * terms["embedding/0"] + 0.5 * (terms["hidden/1"] + terms["hidden/2"])
    expected = expected + 3 * (terms["attention/1"] + terms["attention/2"])
    torch.testing.assert_close(objective.total(terms), expected)


def test_scaled_terms_are_the_share_of_the_teachers_variance_left_unexplained():
    objective = make(scale="teacher_variance")
    teacher = Observer(bert(4, 32, seed=1, initializer_range=0.2), *objective.layers(1))
    statistics = teacher_statistics_over(teacher, [BATCH])
    objective.measure_against(statistics)
    terms = objective(*observe(objective))
    unexplained = objective.unexplained(terms)
    assert unexplained["hidden/2"].item() == pytest.approx((terms["hidden/2"] / variance(statistics.hidden[4])).item())
    assert unexplained["attention/1"].item() == pytest.approx((terms["attention/1"] / statistics.attention[2]).item())
    torch.testing.assert_close(objective.total(terms), sum(unexplained.values()))


def test_guessing_the_teachers_mean_leaves_all_its_variance_unexplained():
    objective = make(weighted(1, 1, 0))
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
    objective = make({"relation": RelationKL(relation_heads=8)}, layers=mapping.last(2, 4))
    student, teacher, mask = observe(objective)
    terms = objective(student, teacher, mask)
    assert list(terms) == ["relation/2"]
    torch.testing.assert_close(
        terms["relation/2"], functional.relation_kl(student.attention[2], teacher.attention[4], mask, 8)
    )
    assert objective.unexplained(terms) == {}


def test_an_unknown_word_is_refused_at_once_with_the_known_ones():
    with pytest.raises(InputError, match="unknown scale 'teacher': set scale to teacher_variance or raw"):
        Objective((2, 4), scale="teacher")
    with pytest.raises(InputError, match="unknown projection 'shard': set projection to per_layer or shared or none"):
        Objective((2, 4), projection="shard")


@pytest.mark.parametrize(
    ("losses", "layers", "student", "message"),
    [
        (None, (2, 4, 4), {}, "the mapping has 3 entries, the student 2 layers"),
        (None, (2, 5), {}, "names layer 5, the teacher's layers are 1 to 4"),
        (None, (2, 4), {"heads": 8}, "the student has 8 attention heads, the teacher 4: set num_heads=4"),
        ({"relation": RelationKL(5)}, (2, 4), {}, "5 relation heads don't divide a width of 16"),
    ],
)
def test_models_that_do_not_fit_are_refused_when_they_are_bound(losses, layers, student, message):
    with pytest.raises(InputError, match=message):
        Objective(layers, losses).bind(bert(2, 16, **student).config, TEACHER)


def test_binding_again_keeps_the_projections_and_other_widths_are_refused():
    objective = make()
    before = objective.projections
    assert objective.bind(STUDENT, TEACHER).projections is before
    with pytest.raises(InputError, match="has projected 16 to 32"):
        objective.bind(TEACHER, TEACHER)


def test_variances_that_nobody_measured_are_an_error_and_a_checkpoint_brings_them_back():
    objective = make(scale="teacher_variance")
    with pytest.raises(RuntimeError, match="variances aren't known"):
        objective.total(objective(*observe(objective)))
    objective.variances = [2.0] * 5
    again = make(scale="teacher_variance")
    again.load_state_dict(objective.state_dict())
    torch.testing.assert_close(again.total(again(*observe(again))), objective.total(objective(*observe(objective))))


# losses of a user's own


class Cosine(Loss):
    needs = "hidden"

    def __init__(self, weight: float = 1.0):
        super().__init__(weight)
        self.temperature = torch.nn.Parameter(torch.ones(()))

    def forward(self, student, teacher, mask_BL):
        return self.temperature * (1 - torch.cosine_similarity(student, teacher, dim=-1)).mean()


class Logits(Loss):
    needs = "logits"

    def forward(self, student, teacher, mask_BL):
        return soft_cross_entropy(student, teacher)


def test_a_loss_is_a_class_with_needs_and_forward_and_its_parameters_are_trained():
    objective = make({"cosine": Cosine(weight=2.0), "hidden": HiddenMSE()}, scale="teacher_variance")
    student, teacher, mask = observe(objective)
    objective.measure_against(
        teacher_statistics_over(Observer(bert(4, 32, seed=1, initializer_range=0.2), *objective.layers(1)), [BATCH])
    )
    terms = objective(student, teacher, mask)
    assert list(terms) == ["cosine/1", "cosine/2", "hidden/1", "hidden/2"]
    assert set(objective.unexplained(terms)) == {"hidden/1", "hidden/2"}
    expected = 2 * (terms["cosine/1"] + terms["cosine/2"]) + sum(objective.unexplained(terms).values())
    torch.testing.assert_close(objective.total(terms), expected)
    assert "losses.cosine.temperature" in objective.state_dict()


def test_logits_are_compared_once_and_need_heads():
    objective = make({"soft": Logits()}, layers=(2, None))
    assert [term.name for term in objective.terms] == ["soft/3"]
    student, teacher, mask = observe(objective)
    with pytest.raises(InputError, match="soft compares logits"):
        objective(student, teacher, mask)
    logits = torch.randn(2, 3, 5)
    seen = [Observation({}, {}, of) for of in logits]
    torch.testing.assert_close(objective(*seen, None)["soft/3"], soft_cross_entropy(*logits))


def test_a_term_that_a_subclass_adds_counts_with_weight_1():
    class Penalized(Objective):
        def forward(self, student, teacher, mask_BL):
            return super().forward(student, teacher, mask_BL) | {"penalty": torch.tensor(7.0)}

    objective = Penalized((2, 4), scale="raw").bind(STUDENT, TEACHER)
    terms = objective(*observe(objective))
    raw = sum(value for name, value in terms.items() if name != "penalty")
    torch.testing.assert_close(objective.total(terms), raw + 7)
    assert "penalty" not in objective.unexplained(terms)
