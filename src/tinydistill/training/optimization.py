"""How weights are stepped: optimizer and schedule factories, and the LightningModule that all of ours are."""

import functools
import math
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from tinydistill.errors import InputError, RunError
from tinydistill.models.finite import not_finite
from tinydistill.training.checkpoints import validate_when_resumed
from tinydistill.training.finite_steps import FiniteSteps

OptimizerFactory = Callable[..., Optimizer]
"""Called with groups of parameters, and `lr`."""
SchedulerFactory = Callable[..., LRScheduler]
"""Called with an optimizer, and `num_training_steps`; stepped with every optimizer step."""

adamw: OptimizerFactory = functools.partial(torch.optim.AdamW, weight_decay=0.01, fused=True)


def linear_with_warmup(optimizer: Optimizer, num_training_steps: float, warmup: float = 0.1) -> LRScheduler:
    """A rate that rises linearly for a share `warmup` of the steps, and then falls linearly to 0.

    transformers' schedule of that shape wastes its first step on a rate of 0; this one begins at 1/warmup steps.
    """
    return _warmed(optimizer, num_training_steps, warmup, lambda left: left)


def cosine_with_warmup(optimizer: Optimizer, num_training_steps: float, warmup: float = 0.1) -> LRScheduler:
    """A rate that rises as that of `linear_with_warmup` does, and then falls as half a cosine."""
    return _warmed(optimizer, num_training_steps, warmup, lambda left: 0.5 - 0.5 * math.cos(math.pi * left))


def constant_with_warmup(optimizer: Optimizer, num_training_steps: float, warmup: float = 0.1) -> LRScheduler:
    """A rate that rises as that of `linear_with_warmup` does, and then stays: for weight averaging."""
    return _warmed(optimizer, num_training_steps, warmup, lambda _left: 1.0)


def _warmed(optimizer: Optimizer, steps: float, warmup: float, falling: Callable[[float], float]) -> LRScheduler:
    if not 0 <= warmup <= 1:
        raise InputError(f"warmup={warmup} is no share of the steps, from 0 to 1")
    if math.isinf(steps):
        raise InputError("a schedule needs an end", "give the Trainer max_steps or max_epochs")
    rising = max(1, round(steps * warmup))

    def rate(step: int) -> float:
        left = (steps - step) / max(1, steps - rising)
        return min((step + 1) / rising, falling(min(left, 1.0)))

    return LambdaLR(optimizer, rate)


def parameter_groups(module: nn.Module) -> list[dict[str, Any]]:
    """The parameters that are trained: matrices, embedding tables (marked), and the rest, which doesn't decay."""
    tables = {id(part.weight) for part in module.modules() if isinstance(part, nn.Embedding)}
    trained = [p for p in module.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in trained if p.ndim > 1 and id(p) not in tables]},
        {"params": [p for p in trained if id(p) in tables], "table": True},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


class OptimizedModule(pl.LightningModule):
    """What all our modules do alike: the optimizer's steps, and going on exactly where a run was cut.

    Args:
        learning_rate: the highest one.
        optimizer: a factory, called with groups of parameters and `lr`.
        scheduler: a factory, called with the optimizer and `num_training_steps`; None for a constant rate.
    """

    def __init__(
        self,
        *,
        learning_rate: float,
        optimizer: OptimizerFactory = adamw,
        scheduler: SchedulerFactory | None = linear_with_warmup,
    ):
        super().__init__()
        self.learning_rate = learning_rate
        self._make_optimizer, self._make_scheduler = optimizer, scheduler
        self._resumed: dict[str, Any] = {}
        self._finite = FiniteSteps()

    def configure_optimizers(self) -> dict[str, Any]:
        """Make the optimizer, and its schedule over all steps that the trainer is going to make."""
        optimizer = self._make_optimizer(parameter_groups(self), lr=self.learning_rate)
        if self._make_scheduler is None:
            return {"optimizer": optimizer}
        scheduler = self._make_scheduler(optimizer, num_training_steps=self.trainer.estimated_stepping_batches)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Clip by norm, and log it; Lightning's own refuses fused optimizers under bf16-mixed, which scales nothing.

        A step that isn't finite is left out.
        """
        norm = nn.utils.get_total_norm([p.grad for p in self.parameters() if p.grad is not None])
        if not self._finite.check(self, norm):
            return
        if gradient_clip_val and gradient_clip_algorithm == "value":
            nn.utils.clip_grad_value_(self.parameters(), gradient_clip_val)
        elif gradient_clip_val:
            nn.utils.clip_grads_with_norm_(self.parameters(), gradient_clip_val, norm)
            self.log("train/gradient_norm", norm)

    def log_training(self, metrics: dict[str, Tensor]) -> None:
        """Log what a training step has computed; the loss stands in the progress bar, too."""
        self._finite.add(metrics)
        self.log("train/loss", metrics["train/loss"], prog_bar=True)
        self.log_dict({name: value for name, value in metrics.items() if name != "train/loss"})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the state of the random numbers, and the gradients of a step of which some batches are done.

        Raises RunError where a weight isn't finite: no checkpoint is written then, and the one before it stays.
        """
        if broken := not_finite(checkpoint["state_dict"].items()):
            raise self._finite.failure or RunError(f"{broken} holds values that aren't finite: training has stopped")
        if "optimizer_states" not in checkpoint:  # weights alone: Lightning asks no callback for the averaged ones
            for callback in self.trainer.callbacks:
                if isinstance(callback, WeightAveraging):
                    callback.on_save_checkpoint(self.trainer, self, checkpoint)
            return
        validate_when_resumed(self.trainer, checkpoint)
        checkpoint["random"] = {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}
        done = self.trainer.fit_loop.epoch_loop.batch_progress.current.processed
        if done % self.trainer.accumulate_grad_batches and done != self.trainer.num_training_batches:
            gradients = {name: p.grad for name, p in self.named_parameters() if p.grad is not None}
            checkpoint["gradients"] = gradients

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take what training goes on from. Raises RunError where a weight isn't finite."""
        if broken := not_finite(checkpoint["state_dict"].items()):
            raise RunError(f"the checkpoint can't be gone on from: {broken} holds values that aren't finite")
        self._resumed = {name: checkpoint[name] for name in ("random", "gradients") if name in checkpoint}

    def on_train_start(self) -> None:
        """Go on with the random numbers and the gradients of the run that is resumed."""
        if "random" in self._resumed:
            torch.set_rng_state(self._resumed["random"]["cpu"].cpu())
            torch.cuda.set_rng_state_all([state.cpu() for state in self._resumed["random"]["cuda"]])
        for name, gradient in self._resumed.get("gradients", {}).items():
            parameter = self.get_parameter(name)
            parameter.grad = gradient.to(parameter.device)
        self._resumed = {}
