"""Steps whose loss or gradient is no finite number: they are left out, and too many of them end the run."""

import math
from collections.abc import Mapping, Sequence

import pytorch_lightning as pl
from torch import Tensor, stack

from tinydistill.console import say
from tinydistill.errors import RunError
from tinydistill.models.finite import not_finite

IN_A_ROW = 10  # steps that may be left out one after another
SHARE = 0.1  # of all steps, that may be left out

Metrics = Mapping[str, Tensor]


class FiniteSteps:
    """Checks before every optimizer step of a module that loss and gradient are finite."""

    def __init__(self) -> None:
        self._batches: list[Metrics] = []  # what was logged of the batches of this step
        self._row = self._all = 0
        self.failure: RunError | None = None

    def add(self, metrics: Metrics) -> None:
        """Take what was logged of a batch: `train/loss`, and `train/raw/LOSS/LAYER` of its terms."""
        self._batches.append({name: value.detach() for name, value in metrics.items()})

    def check(self, module: pl.LightningModule, gradient_norm: Tensor) -> bool:
        """Whether the step is made: its gradients are dropped, so that the optimizer does nothing, unless it is finite.

        Raises RunError, which names step and term, after ten in a row or a tenth of all steps (two at least), where no
        step of the run is left, and where weights aren't finite themselves.
        """
        batches, self._batches = self._batches, []
        trainer = module.trainer
        losses = [seen["train/loss"].float() for seen in batches]
        finite = bool(stack([gradient_norm.float(), *losses]).isfinite().all())
        if trainer.world_size > 1:
            finite = trainer.strategy.reduce_boolean_decision(finite)
        if finite:
            self._row = 0
            return True
        self._row, self._all = self._row + 1, self._all + 1
        scales = getattr(trainer.precision_plugin, "scaler", None) is not None  # fp16's own skips steps till it fits
        steps, found = trainer.estimated_stepping_batches, _culprit(module, batches)
        broken = not_finite(module.named_parameters())
        if not scales:
            module.zero_grad()
        here = f"step {trainer.global_step + 1}: {found}"
        if broken:
            self.failure = RunError(f"{here}, and {broken} holds values that aren't finite: training has stopped")
        elif self._row >= min(IN_A_ROW, steps) or self._all >= (math.inf if scales else max(2, SHARE * steps)):
            self.failure = RunError(
                f"{here}; {self._all} steps were left out for such values: training has stopped, with the weights of "
                "the last good step"
            )
        if self.failure is not None:
            raise self.failure
        if self._all == 1 and not scales:
            say(f"{here}: this step is left out, and so are others like it without a word")
        return False


def finite_losses(metrics: Mapping[str, float]) -> dict[str, float]:
    """Held-out losses as numbers. Raises RunError, which names the last term of those that aren't finite."""
    losses = {name: float(value) for name, value in metrics.items()}
    if broken := [name for name, value in losses.items() if not math.isfinite(value)]:
        raise RunError(f"{broken[-1]} isn't finite: held-out text has no loss")
    return losses


def _culprit(module: pl.LightningModule, batches: Sequence[Metrics]) -> str:
    """The first term that isn't finite, with its layer; else the loss, else the first gradient."""
    for seen in batches:
        raw = {name.removeprefix("train/raw/"): value for name, value in seen.items() if name.startswith("train/raw/")}
        terms = {**raw, "": seen["train/loss"]}
        if (name := not_finite(terms.items())) is not None:
            loss, _, layer = name.partition("/")
            return f"the {loss} loss{layer and f' of layer {layer}'} is {float(terms[name])}".replace("  ", " ")
    gradient = not_finite((name, p.grad) for name, p in module.named_parameters())
    return f"the gradient of {gradient} isn't finite" if gradient else "the gradient's norm isn't finite"
