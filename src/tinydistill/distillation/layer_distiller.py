"""The LightningModule that holds the frozen teacher and the trainable student and computes the layered losses."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tinydistill.distillation.imitation import Batch, Imitation
from tinydistill.distillation.objective import Objective
from tinydistill.models.fast_paths.unreached import freeze_unreached
from tinydistill.models.observation import valid_tokens
from tinydistill.training.optimization import OptimizedModule


class LayerDistiller(OptimizedModule):
    """Train a student on its teacher's hidden states and attention, with any Trainer.

    Batches hold input_ids [B, L], maybe a mask. Logged are `train/loss`, `train/raw/TERM`, `train/unexplained/TERM`,
    and held-out means as `heldout/…`, of the first validation loader. Where the objective hasn't been measured against
    a teacher's statistics, they are measured on the validation batches before the first step.

    Args:
        teacher: an encoder; it is frozen.
        student: an encoder; it is trained in place.
        objective: what is compared.
        options: learning_rate, optimizer and scheduler, as OptimizedModule takes them.
    """

    def __init__(
        self,
        teacher: PreTrainedModel,
        student: PreTrainedModel,
        objective: Objective,
        *,
        learning_rate: float = 1e-3,
        **options: Any,
    ):
        super().__init__(learning_rate=learning_rate, **options)
        self.student = student.train()
        self.imitation = Imitation(teacher, student, objective)
        self._frozen: list[nn.Parameter] = []

    def setup(self, stage: str) -> None:
        """Freeze what the loss doesn't reach, before the parameters are given to optimizer and strategy."""
        if stage != "fit":
            return
        with torch.random.fork_rng(devices=[]):
            batch = {name: tensor.to(self.student.device) for name, tensor in self.student.dummy_inputs.items()}
            terms = self.imitation(batch)[1]
            self._frozen = freeze_unreached(self, torch.stack(list(terms.values())).sum())

    def teardown(self, stage: str) -> None:
        """Leave the student as trainable as it came."""
        for parameter in self._frozen:
            parameter.requires_grad_(True)
        self._frozen = []

    def on_train_start(self) -> None:
        """Measure the teacher unless that was done; go on with the random numbers of a run that is resumed."""
        self.imitation.measure_once(self.trainer)
        super().on_train_start()

    def on_validation_start(self) -> None:
        """Measure the teacher unless that was done."""
        self.imitation.measure_once(self.trainer)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The weighted loss of one batch; logs it with every term."""
        metrics = self.imitation.metrics("train", self.imitation(batch)[1])
        self.log_training(metrics)
        return metrics["train/loss"]

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Add one held-out batch to the means; of several loaders the first one's count."""
        if dataloader_idx:
            return
        metrics = self.imitation.metrics("heldout", self.imitation(batch)[1])
        tokens = int(valid_tokens(batch).sum())
        self.log_dict(metrics, batch_size=tokens, sync_dist=True, add_dataloader_idx=False)
