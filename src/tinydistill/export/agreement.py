"""Whether an exported model answers as the one that it was made from."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydistill.errors import InputError
from tinydistill.kinds import TaskKind
from tinydistill.kinds.base import Logits
from tinydistill.kinds.binomial import at_most
from tinydistill.training.scoring import defined

CHANCE = 0.05  # in which an export that keeps to its bound is refused


@dataclass(frozen=True)
class Agreement:
    """The largest difference of a logit, and the share of equal answers.

    Of numbers it is the correlation, of embeddings the mean cosine. Of equal answers there are counts, too: `answers`
    of both models, of which `clear` are others though the original was sure of its own.
    """

    difference: float
    equal: float | None = None
    correlation: float | None = None
    cosine: float | None = None
    answers: int | None = None
    clear: int | None = None


def agreement(
    kind: TaskKind,
    exported: tuple[Logits, Any],
    original: tuple[Logits, Any],
    *,
    margins: NDArray[np.float64] | None = None,
    close: float = 0.0,
) -> Agreement:
    """Compare the exported model's logits and answers with the original's.

    `margins` are by how much more probable the original's answers were than others, one an answer; an answer that
    differs where that is at most `close` isn't a clear difference.
    """
    difference = float(np.abs(exported[0] - original[0]).max())
    equal = kind.equal(exported[1], original[1])
    if equal is None:
        name, value = kind.nearness(exported[1], original[1])
        near: dict[str, Any] = {name: defined(value)}
        return Agreement(difference, **near)
    clear = ~equal if margins is None else ~equal & (margins > close)
    return Agreement(difference, defined(float(equal.mean())), answers=len(equal), clear=int(clear.sum()))


@dataclass(frozen=True)
class Bounds:
    """What an export must keep to: in fp32 the difference, in int8 the others."""

    max_difference: float
    least_equal: float
    least_correlation: float
    least_cosine: float

    def check(self, file: str, found: Agreement, *, int8: bool, of: str = "rows") -> None:
        """Raise InputError where a bound is broken, nan included; `of` is what there are answers for.

        The share of equal answers is a count on a few rows: its bound is broken where a share of clear differences as
        large as this is improbable (less than CHANCE) of an export that keeps to it, by the binomial distribution.
        """
        beyond = f"beyond the bound of {self.max_difference:g}"
        if not int8 or not np.isfinite(found.difference):
            name, said = "max_difference", f"its logits are {found.difference:.2g} off, {beyond}"
            kept = found.difference <= self.max_difference
        elif found.answers is not None and found.clear is not None:
            name = "least_equal"
            said = (
                f"it answers clearly otherwise on {found.clear} of {found.answers} {of}, too many for a bound of "
                f"{self.least_equal:g}"
            )
            kept = 1 - at_most(found.clear - 1, found.answers, 1 - self.least_equal) >= CHANCE
        elif found.cosine is not None:
            name = "least_cosine"
            said = f"its embeddings have a mean cosine of {found.cosine:.4f}, below the bound of {self.least_cosine:g}"
            kept = found.cosine >= self.least_cosine
        else:
            correlation = float("nan") if found.correlation is None else found.correlation
            name = "least_correlation"
            said = f"its numbers correlate {correlation:.4f}, below the bound of {self.least_correlation:g}"
            kept = correlation >= self.least_correlation
        if not kept:
            raise InputError(
                f"{file} doesn't answer as PyTorch does: {said}",
                f"set {{Bounds.{name}}} anew if that will do, or leave {'onnx_int8' if int8 else 'the format'} out of "
                "{export_onnx.formats}",
            )
