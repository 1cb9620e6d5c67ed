"""How vectors vary: running covariances, and how much of one a few dimensions can hold.

Shapes: N tokens, D hidden size.
"""

import torch
from torch import Tensor


class RunningCovariance:
    """Running mean and covariance of vectors, in double precision."""

    def __init__(self) -> None:
        self.count = 0
        self._sum: Tensor | float = 0.0
        self._products: Tensor | float = 0.0

    def update(self, x_ND: Tensor) -> None:
        """Adds N vectors."""
        x = x_ND.double()
        self.count += len(x)
        self._sum = self._sum + x.sum(0)
        self._products = self._products + x.T @ x

    @property
    def mean(self) -> Tensor:
        """[D]."""
        return torch.as_tensor(self._sum) / self.count

    @property
    def covariance(self) -> Tensor:
        """[D, D], divided by N."""
        return torch.as_tensor(self._products) / self.count - torch.outer(self.mean, self.mean)


def variance(covariance_DD: Tensor) -> float:
    """The mean variance of a feature: what guessing the mean costs in mean squared error."""
    return float(covariance_DD.diagonal().mean())


def subspace_floor(covariance_DD: Tensor, width: int) -> float:
    """The share of variance outside the best subspace of `width` dimensions, 0 to 1.

    No linear map of `width` features can leave less of the states unexplained than the smallest eigenvalues hold.
    """
    eigenvalues = torch.linalg.eigvalsh(covariance_DD).clamp_min(0)  # ascending
    return float(eigenvalues[: max(0, len(eigenvalues) - width)].sum() / eigenvalues.sum())
