"""How much a teacher's values vary: what every squared error is measured against.

Shapes: B batch, L length, D hidden size, N tokens, H heads, d head size.
"""

from collections.abc import Iterable, Mapping, Sized
from dataclasses import dataclass

import torch
from torch import Tensor

from tinydistill.console import Meter
from tinydistill.initialization.linear_algebra import RunningCovariance
from tinydistill.models.observation import QKV, Observer, encoder_inputs, valid_tokens


class RunningScoreVariance:
    """Running variance of unnormalized attention scores, around each head's own mean, over valid pairs of tokens."""

    def __init__(self) -> None:
        self._count = 0.0
        self._sum: Tensor | float = 0.0
        self._squares: Tensor | float = 0.0

    def update(self, attention: QKV, mask_BL: Tensor) -> None:
        """Adds one batch of a layer's queries and keys; a banded layer counts the pairs inside its band."""
        scale = attention.query.shape[-1] ** -0.25
        query, key = (x.double() * scale * mask_BL[:, None, :, None] for x in (attention.query, attention.key))
        if attention.window is None:
            self._count += float(mask_BL.sum(-1).square().sum())
            self._sum = self._sum + (query.sum(2) * key.sum(2)).sum((0, 2))
            grams = (query.transpose(-1, -2) @ query) * (key.transpose(-1, -2) @ key)
            self._squares = self._squares + grams.sum((0, 2, 3))
            return
        position = torch.arange(mask_BL.shape[-1], device=mask_BL.device)
        band_LL = (position.unsqueeze(-1) - position).abs() <= attention.window
        scores_BHLL = (query @ key.transpose(-1, -2)) * band_LL
        self._count += float((mask_BL.unsqueeze(-1) & mask_BL.unsqueeze(-2) & band_LL).sum())
        self._sum = self._sum + scores_BHLL.sum((0, 2, 3))
        self._squares = self._squares + scores_BHLL.square().sum((0, 2, 3))

    @property
    def variance(self) -> float:
        """The mean over heads of the variance of a score."""
        mean_H = torch.as_tensor(self._sum) / self._count
        return float((torch.as_tensor(self._squares) / self._count - mean_H.square()).mean())


@dataclass(frozen=True)
class TeacherStatistics:
    """Covariance [D, D] of the hidden states and variance of the attention scores, by teacher layer."""

    hidden: dict[int, Tensor]
    attention: dict[int, float]


@torch.no_grad()
def teacher_statistics_over(observer: Observer, batches: Iterable[Mapping[str, Tensor]]) -> TeacherStatistics:
    """Measure everything the observer sees over the batches, valid tokens alone, on the observed model's device."""
    hidden = {n: RunningCovariance() for n in observer.hidden_layers}
    attention = {n: RunningScoreVariance() for n in observer.attention_layers}
    length = len(batches) if isinstance(batches, Sized) else None
    with Meter("measuring the teacher", "batch", length) as meter:
        for given in batches:
            batch = {name: tensor.to(observer.model.device) for name, tensor in encoder_inputs(given).items()}
            mask = valid_tokens(batch)
            seen = observer(batch)
            for n, states in hidden.items():
                states.update(seen.hidden[n][mask])
            for n, scores in attention.items():
                scores.update(seen.attention[n], mask)
            meter.update()
    return TeacherStatistics(
        {n: states.covariance for n, states in hidden.items()},
        {n: scores.variance for n, scores in attention.items()},
    )
