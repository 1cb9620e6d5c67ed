import pytest
import torch

from tinydistill.initialization.linear_algebra import RunningCovariance, subspace_floor, variance


def test_the_covariance_of_batches_is_that_of_the_whole():
    x = torch.randn(500, 6) @ torch.randn(6, 6) + 3
    running = RunningCovariance()
    for part in x.split(130):
        running.update(part)
    torch.testing.assert_close(running.mean, x.double().mean(0))
    torch.testing.assert_close(running.covariance, torch.cov(x.double().T, correction=0))
    assert variance(running.covariance) == pytest.approx(x.var(0, correction=0).mean().item(), rel=1e-5)


def test_no_linear_map_of_a_narrow_student_gets_below_the_floor():
    x = torch.randn(4000, 10) @ torch.randn(10, 10)
    covariance = torch.cov(x.double().T, correction=0)
    floor = subspace_floor(covariance, 4)
    centered = x.double() - x.double().mean(0)
    best = torch.linalg.svd(centered, full_matrices=False)
    rebuilt = best.U[:, :4] * best.S[:4] @ best.Vh[:4]
    assert floor == pytest.approx(float((centered - rebuilt).square().mean() / centered.square().mean()))
    assert subspace_floor(covariance, 10) == subspace_floor(covariance, 12) == 0
