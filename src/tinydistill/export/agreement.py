"""Whether an exported model answers as the one that it was made from."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinydistill.errors import InputError
from tinydistill.kinds import TaskKind
from tinydistill.kinds.base import Logits
from tinydistill.training.scoring import defined


@dataclass(frozen=True)
class Agreement:
    """The largest difference of a logit, and the share of equal answers.

    Of numbers it is the correlation, of embeddings the mean cosine.
    """

    difference: float
    equal: float | None = None
    correlation: float | None = None
    cosine: float | None = None


def agreement(kind: TaskKind, exported: tuple[Logits, Any], original: tuple[Logits, Any]) -> Agreement:
    """Compare the exported model's logits and answers with the original's."""
    difference = float(np.abs(exported[0] - original[0]).max())
    name, value = kind.agreement(exported[1], original[1])
    return Agreement(difference, **{name: defined(value)})


@dataclass(frozen=True)
class Bounds:
    """What an export must keep to: in fp32 the difference, in int8 the others."""

    max_difference: float
    least_equal: float
    least_correlation: float
    least_cosine: float

    def check(self, file: str, found: Agreement, *, int8: bool, of: str = "rows") -> None:
        """Raise InputError where a bound is broken, nan included; `of` is what there are answers for."""
        if not int8:
            name, said = "max_difference", f"its logits are {found.difference:.2g} off"
            kept = found.difference <= self.max_difference
        elif found.equal is not None:
            name, said = "least_equal", f"it answers alike on {found.equal:.2%} of the {of}"
            kept = found.equal >= self.least_equal
        elif found.cosine is not None:
            name, said = "least_cosine", f"its embeddings have a mean cosine of {found.cosine:.4f}"
            kept = found.cosine >= self.least_cosine
        else:
            correlation = float("nan") if found.correlation is None else found.correlation
            name, said = "least_correlation", f"its numbers correlate {correlation:.4f}"
            kept = correlation >= self.least_correlation
        if not kept:
            raise InputError(
                f"{file} doesn't answer as PyTorch does: {said}, beyond the bound of {getattr(self, name):g}",
                f"set {{Bounds.{name}}} anew if that will do, or leave {'onnx_int8' if int8 else 'the format'} out of "
                "{export_onnx.formats}",
            )
