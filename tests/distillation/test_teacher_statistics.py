import pytest
import torch

from tests.conftest import bert
from tinydistill.distillation.teacher_statistics import RunningScoreVariance, teacher_statistics_over
from tinydistill.models.observation import QKV, Observer, padding_mask


@pytest.mark.parametrize("window", [None, 3])
def test_score_variance_is_around_each_heads_mean_over_valid_pairs(window):
    mask = torch.arange(9) < torch.tensor([[9], [5]])
    batches = [QKV(*torch.randn(3, 2, 4, 9, 8), window) for _ in range(3)]
    measured, scores = RunningScoreVariance(), []
    position = torch.arange(9)
    pairs = mask.unsqueeze(-1) & mask.unsqueeze(-2)
    if window is not None:
        pairs = pairs & ((position[:, None] - position).abs() <= window)
    for qkv in batches:
        measured.update(qkv, mask)
        scores.append((qkv.query @ qkv.key.transpose(-1, -2) / 8**0.5).transpose(0, 1)[:, pairs])
    expected = torch.cat(scores, dim=1).double().var(1, correction=0).mean()
    assert measured.variance == pytest.approx(expected.item(), rel=1e-5)


def test_what_a_teacher_says_of_padding_is_not_measured():
    observer = Observer(bert(), [0, 2], [1])
    ids = torch.randint(5, 20, (4, 8))
    plain = teacher_statistics_over(observer, [{"input_ids": ids}])
    mask = torch.cat([torch.ones(4, 8), torch.zeros(4, 4)], dim=1).long()
    padded = {"input_ids": torch.cat([ids, torch.zeros(4, 4).long()], dim=1), "attention_mask": mask}
    assert padding_mask(padded).sum() == ids.numel()
    same = teacher_statistics_over(observer, [padded])
    for n in (0, 2):
        torch.testing.assert_close(plain.hidden[n], same.hidden[n], rtol=1e-4, atol=1e-6)
    assert plain.attention[1] == pytest.approx(same.attention[1], rel=1e-4)
