import math

import pytest
import torch
import torch.nn.functional as F

from tinydistill.distillation import functional
from tinydistill.kinds.functional import soft_cross_entropy
from tinydistill.models.observation import QKV

B, L, H = 3, 10, 4


def random_qkv(d: int, seed: int, window: int | None = None, heads: int = H) -> QKV:
    generator = torch.Generator().manual_seed(seed)
    return QKV(*(torch.randn(B, heads, L, d, generator=generator, dtype=torch.double) for _ in range(3)), window)


@pytest.fixture(params=["full", "padded"])
def mask(request: pytest.FixtureRequest) -> torch.Tensor:
    lengths = torch.tensor([L, L, L] if request.param == "full" else [L, 6, 1])
    return torch.arange(L) < lengths.unsqueeze(1)


def naive_attention_mse(student: QKV, teacher: QKV, mask: torch.Tensor, window: int | None = None) -> float:
    total, count = 0.0, 0
    for b in range(B):
        for h in range(H):
            for i in range(L):
                for j in range(L):
                    if not (mask[b, i] and mask[b, j]) or (window is not None and abs(i - j) > window):
                        continue
                    s = student.query[b, h, i] @ student.key[b, h, j] / math.sqrt(student.query.shape[-1])
                    t = teacher.query[b, h, i] @ teacher.key[b, h, j] / math.sqrt(teacher.query.shape[-1])
                    total, count = total + float((s - t) ** 2), count + 1
    return total / count


def test_state_mse_is_the_mean_over_valid_tokens_and_features(mask):
    student, teacher = torch.randn(B, L, 6), torch.randn(B, L, 6)
    expected = F.mse_loss(student[mask], teacher[mask])
    assert functional.state_mse(student, teacher, mask) == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("form", [functional.attention_mse_scores, functional.attention_mse_gram])
def test_both_forms_of_the_attention_loss_agree_with_a_plain_loop(form, mask):
    student, teacher = random_qkv(3, 0), random_qkv(5, 1)
    assert form(student, teacher, mask).item() == pytest.approx(naive_attention_mse(student, teacher, mask), rel=1e-5)


def test_both_forms_of_the_attention_loss_have_the_same_gradient(mask):
    teacher = random_qkv(5, 1)
    gradients = []
    for form in (functional.attention_mse_scores, functional.attention_mse_gram):
        student = QKV(*(x.float().requires_grad_() for x in random_qkv(3, 0)[:3]))
        gradients.append(torch.autograd.grad(form(student, teacher, mask), [student.query, student.key]))
    for scores, gram in zip(*gradients, strict=True):
        torch.testing.assert_close(scores, gram, rtol=1e-4, atol=1e-7)


def test_a_sliding_window_counts_the_pairs_inside_its_band_alone(mask):
    student, teacher = random_qkv(3, 0, window=2), random_qkv(5, 1, window=4)
    expected = naive_attention_mse(student, teacher, mask, window=2)
    assert functional.attention_mse(student, teacher, mask).item() == pytest.approx(expected, rel=1e-5)


def test_long_input_takes_the_form_that_needs_no_score_map(monkeypatch):
    def refuse(*_):
        raise AssertionError("a score map was made")

    monkeypatch.setattr(functional, "attention_mse_scores", refuse)
    student, teacher = (QKV(*(x.float() for x in random_qkv(1, seed)[:3])) for seed in (0, 1))
    functional.attention_mse(student, teacher, torch.ones(B, L, dtype=torch.bool))
    wide = random_qkv(8, 2)
    with pytest.raises(AssertionError, match="score map"):
        functional.attention_mse(wide, wide, torch.ones(B, L, dtype=torch.bool))


def test_the_attention_loss_refuses_unequal_head_counts():
    with pytest.raises(ValueError, match="heads differ: student 4, teacher 2"):
        functional.attention_mse(random_qkv(3, 0), random_qkv(3, 1, heads=2), torch.ones(B, L, dtype=torch.bool))


def test_what_padding_holds_changes_no_loss():
    mask = torch.arange(L).expand(B, L) < 7
    junk = ~mask[:, None, :, None] * 100.0
    student, teacher = random_qkv(4, 0), random_qkv(4, 1)
    spoilt = QKV(*(x + junk for x in student[:3]))
    for loss in (
        functional.attention_mse_scores,
        functional.attention_mse_gram,
        lambda *seen: functional.relation_kl(*seen, heads=2),
    ):
        assert loss(spoilt, teacher, mask).item() == pytest.approx(loss(student, teacher, mask).item(), rel=1e-5)


def naive_relation_kl(student: QKV, teacher: QKV, mask: torch.Tensor, heads: int) -> float:
    total, count = 0.0, 0
    for s, t in zip(student[:3], teacher[:3], strict=True):
        for b in range(B):
            valid = mask[b]
            for r in range(heads):
                rows = []
                for x in (s, t):
                    joined = torch.cat([x[b, h][valid] for h in range(x.shape[1])], dim=-1)
                    width = joined.shape[-1] // heads
                    part = joined[:, r * width : (r + 1) * width]
                    rows.append((part @ part.T / math.sqrt(width)).softmax(-1))
                total += float((rows[1] * (rows[1] / rows[0]).log()).sum())
                count += int(valid.sum())
    return total / count


@pytest.mark.parametrize("heads", [2, 6])
def test_the_relation_loss_agrees_with_a_plain_loop_for_any_head_count(heads, mask):
    student, teacher = random_qkv(3, 0), random_qkv(6, 1, heads=3)
    expected = naive_relation_kl(student, teacher, mask, heads)
    assert functional.relation_kl(student, teacher, mask, heads).item() == pytest.approx(expected, rel=1e-4)


def test_the_relation_loss_is_zero_for_a_perfect_copy(mask):
    teacher = random_qkv(6, 1)
    assert functional.relation_kl(teacher, teacher, mask, 3).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 4.0])
def test_soft_cross_entropy_sums_over_classes_and_averages_over_the_batch(temperature):
    student, teacher = torch.randn(5, 7), torch.randn(5, 7)
    total = 0.0
    for s, t in zip(student, teacher, strict=True):
        p, q = (t / temperature).softmax(0), (s / temperature).softmax(0)
        total -= sum(float(p[c] * q[c].log()) for c in range(7))
    assert soft_cross_entropy(student, teacher, temperature).item() == pytest.approx(total / 5, rel=1e-5)
