"""Which directions of a fine-tuned teacher's states its logits depend on.

Shapes: B batch, L length, N tokens, D hidden size, C logits of a row or token.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from transformers import PreTrainedModel

from tinydistill.initialization import linear_algebra as linear
from tinydistill.models.observation import Observation

WEIGHT = 3.0  # of an error that the logits notice, where all directions together weigh 1


class Sensitivity:
    """For every layer the second moments E[g gᵀ] [D, D] of gradients g of the logits by a token's state.

    The logits of all rows (and tokens) are added up with independent random signs, so that one gradient has the moments
    of all of them in expectation (Hutchinson, 1989).
    """

    def __init__(self, seed: int):
        self.moments: dict[int, Tensor] = {}
        self._signs = torch.Generator().manual_seed(seed)

    def update(self, seen: Observation, mask_BL: Tensor) -> None:
        """Adds what was seen under `gradients`; nothing of a model without logits."""
        if seen.logits is None:
            return
        signs = torch.randint(2, seen.logits.shape, generator=self._signs).to(seen.logits) * 2 - 1
        if signs.ndim == 3:
            signs = signs * mask_BL.unsqueeze(-1)
        total = (seen.logits * signs).sum()
        gradients = torch.autograd.grad(total, list(seen.hidden.values()), allow_unused=True)
        for n, gradient_BLD in zip(seen.hidden, gradients, strict=True):
            if gradient_BLD is not None and (g := gradient_BLD[mask_BL].double()).any():
                self.moments[n] = self.moments.get(n, 0) + g.T @ g

    def root(self, n: int, basis_TS: Tensor) -> tuple[Tensor, Tensor]:
        """R and its inverse [D_S, D_S]: the error e of a layer-n state in a basis [D_T, D_S] counts as |eR|².

        RRᵀ is the identity plus WEIGHT times the moments, scaled to a mean diagonal of 1.
        """
        metric = torch.eye(basis_TS.shape[1], dtype=torch.double, device=basis_TS.device)
        if n in self.moments:
            moments = basis_TS.double().T @ self.moments[n] @ basis_TS.double()
            metric = metric + WEIGHT * moments / linear.variance(moments)
        root, inverse = linear.root(metric)
        return root.T, inverse.T

    def of_variance(self, n: int, covariance: Tensor) -> Tensor:
        """The covariance of layer n's states as the logits see it: what moves them together with how often it does."""
        values, vectors = torch.linalg.eigh(self.moments[n])
        half = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
        return half @ covariance @ half


@contextmanager
def gradients(model: PreTrainedModel, *, wanted: bool) -> Iterator[None]:
    """Hidden states of the model, frozen or not, get gradients inside, if that is wanted."""
    if not wanted:
        yield
        return
    model.enable_input_require_grads()
    try:
        with torch.enable_grad():
            yield
    finally:
        model.disable_input_require_grads()
