from itertools import combinations, pairwise

import pytest
import torch

from tests.conftest import bert
from tinydistill.distillation import mapping
from tinydistill.distillation.mapping import layer_similarity


def test_strategies_are_the_papers():
    assert mapping.uniform(4, 12) == (3, 6, 9, 12)
    assert mapping.top(4, 12) == (9, 10, 11, 12)
    assert mapping.bottom(4, 12) == (1, 2, 3, 4)
    assert mapping.last(4, 12) == (None, None, None, 12)


@pytest.mark.parametrize(("student", "teacher"), [(5, 12), (7, 12), (4, 6), (3, 7)])
def test_uniform_spreads_over_depths_that_do_not_divide(student, teacher):
    layers = mapping.uniform(student, teacher)
    assert layers[-1] == teacher
    assert all(a < b for a, b in pairwise(layers))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((2, 4), "has 2 entries, the student 3 layers"),
        ((2, 4, 7), "names layer 7, the teacher's layers are 1 to 6"),
        ((0, 4, 6), "names layer 0"),
        ((None, None, None), "pairs no student layer"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused(layers, message):
    with pytest.raises(ValueError, match=message):
        mapping.check(layers, 3, 6)


def test_layers_may_be_listed_and_auto_reads_similarities():
    assert mapping.listed(2, 12, layers=[3, None]) == (3, None)
    similarity = torch.rand(7, 7, generator=torch.Generator().manual_seed(0))
    assert mapping.auto(3, 7, similarity=similarity[:3]) == mapping.best_monotone(similarity[:3])
    assert mapping.auto(3, 7, similarity=similarity) == mapping.most_representative(similarity, 3)


def test_an_encoder_is_most_similar_to_itself_and_can_be_compared_with_another():
    teacher, batch = bert(4, 32, seed=1, initializer_range=0.2), {"input_ids": torch.randint(5, 28, (8, 10))}
    itself = layer_similarity(teacher, teacher, [batch])
    torch.testing.assert_close(itself.diagonal(), torch.ones(4))
    assert layer_similarity(bert(2, 16), teacher, iter([batch]), tokens=50).shape == (2, 4)


def test_an_unmapped_student_layer_has_no_pair():
    assert mapping.pairs((None, 4, 6)) == [(2, 4), (3, 6)]


def test_cka_is_one_for_rotated_and_scaled_states_and_small_for_unrelated_ones():
    x = torch.randn(2000, 8)
    rotation = torch.linalg.qr(torch.randn(8, 8))[0]
    assert mapping.linear_cka(x, 3 * x @ rotation + 5) == pytest.approx(1)
    assert mapping.linear_cka(x, torch.randn(2000, 8)) < 0.05


def test_cka_agrees_with_its_definition_by_gram_matrices():
    x, y = torch.randn(30, 4).double(), torch.randn(30, 6).double()
    center = torch.eye(30).double() - 1 / 30
    k, m = center @ x @ x.T @ center, center @ y @ y.T @ center
    assert mapping.linear_cka(x, y) == pytest.approx(float((k * m).sum() / (k.norm() * m.norm())))


@pytest.mark.parametrize("seed", range(5))
def test_the_best_monotone_mapping_is_the_best_of_all(seed):
    similarity = torch.rand(3, 7, generator=torch.Generator().manual_seed(seed))
    best = max(combinations(range(7), 3), key=lambda c: sum(float(similarity[m, n]) for m, n in enumerate(c)))
    assert mapping.best_monotone(similarity) == tuple(n + 1 for n in best)


def test_a_student_deeper_than_its_teacher_has_no_increasing_mapping():
    with pytest.raises(ValueError, match="strictly increasing"):
        mapping.best_monotone(torch.rand(4, 3))


@pytest.mark.parametrize("seed", range(5))
def test_the_most_representative_layers_are_the_best_of_all_cuts(seed):
    x = torch.rand(7, 7, generator=torch.Generator().manual_seed(seed))
    similarity = x + x.T

    def value(cuts: tuple[int, ...]) -> float:
        bounds = (0, *cuts, 7)
        runs = [similarity[a:b, a:b].sum(0).max() for a, b in pairwise(bounds)]
        return float(sum(runs))

    best = max(value(cuts) for cuts in combinations(range(1, 7), 2))
    layers = mapping.most_representative(similarity, 3)
    reached = max(value(cuts) for cuts in combinations(range(1, 7), 2) if _represents(similarity, cuts, layers))
    assert reached == pytest.approx(best)


def _represents(similarity: torch.Tensor, cuts: tuple[int, ...], layers: tuple[int | None, ...]) -> bool:
    bounds = (0, *cuts, len(similarity))
    runs = pairwise(bounds)
    return layers == tuple(a + int(similarity[a:b, a:b].sum(0).argmax()) + 1 for a, b in runs)
