"""How weights are stepped: AdamW, a rate that rises and falls linearly, and the module that does so."""

from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn


@dataclass(frozen=True)
class Optimization:
    """AdamW with a rate that rises linearly for a share `warmup` of `steps` and then falls linearly to 0."""

    steps: int
    learning_rate: float
    warmup: float
    weight_decay: float

    def rate(self, step: int) -> float:
        """The factor on the learning rate at optimiser step 0, 1, …"""
        rising = max(1, round(self.steps * self.warmup))
        return min((step + 1) / rising, (self.steps - step) / max(1, self.steps - rising), 1.0)

    def optimizer(self, module: nn.Module) -> torch.optim.Optimizer:
        """AdamW over the parameters that are trained; biases and LayerNorms don't decay."""
        trained = [p for p in module.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self.learning_rate, fused=True)


NO_TRAINING = Optimization(1, 0.0, 0.0, 0.0)


class OptimizedModule(pl.LightningModule):
    """What all our modules do alike: the optimiser's steps, and random numbers that go on where a run was cut."""

    def __init__(self, optimisation: Optimization):
        super().__init__()
        self.optimisation = optimisation
        self._random: dict[str, Any] = {}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps the state of the random numbers, so that a resumed run drops out what it would have dropped out."""
        checkpoint["random"] = {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes the random numbers' state for the start of training."""
        self._random = checkpoint["random"]

    def on_train_start(self) -> None:
        """Goes on with the random numbers of the run that is resumed."""
        if self._random:
            torch.set_rng_state(self._random["cpu"].cpu())
            torch.cuda.set_rng_state_all([state.cpu() for state in self._random["cuda"]])

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Clips by norm; Lightning's own refuses fused optimisers under bf16-mixed, which scales nothing."""
        if gradient_clip_val:
            self.log("train/gradient_norm", nn.utils.clip_grad_norm_(self.parameters(), gradient_clip_val))

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW and its linear schedule, stepped with every optimiser step."""
        optimizer = self.optimisation.optimizer(self)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self.optimisation.rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
