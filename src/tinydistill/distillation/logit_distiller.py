"""The LightningModules that learn a fine-tuned teacher's stored answers: alone, or together with its inner layers.

B: rows in a batch, C: outputs of the prediction layer.
"""

from typing import Any

from torch import Tensor
from transformers import PreTrainedModel

from tinydistill.distillation.imitation import Imitation
from tinydistill.distillation.objective import Objective
from tinydistill.training.classifier import Batch, Classifier, Scoring


class LogitDistiller(Classifier):
    """Learn teacher_logits, which training batches hold beside input_ids and labels; the teacher isn't needed.

    Args:
        student: with the head of the task's kind.
        scoring: how it is validated.
        temperature: of classes' soft cross-entropy (eq. 10).
        scale_by_temperature: whether that loss is multiplied by temperature², so that its gradients keep their size.
        hard_share: weight of the loss against the labels; the rest is the teacher's.
        options: learning_rate, optimizer and scheduler, as OptimizedModule takes them.
    """

    def __init__(
        self,
        student: PreTrainedModel,
        scoring: Scoring,
        *,
        temperature: float = 1.0,
        scale_by_temperature: bool = False,
        hard_share: float = 0.0,
        **options: Any,
    ):
        super().__init__(student, scoring, **options)
        self.temperature, self.hard_share = temperature, hard_share
        self.scale = temperature**2 if scale_by_temperature else 1.0

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """(1 − hard_share) · the teacher's loss + hard_share · the labels', each a mean over the batch."""
        soft = self.scoring.kind.soft_loss(logits, batch, temperature=self.temperature, scale=self.scale)
        if not self.hard_share:
            return soft
        return (1 - self.hard_share) * soft + self.hard_share * super().loss(logits, batch)


class MergedDistiller(LogitDistiller):
    """Learn the teacher's answers and its inner layers at once (eq. 11 as a whole).

    Args:
        teacher: the fine-tuned encoder, with or without its head; its stored logits come with the batches.
        student: with the head of the task's kind.
        objective: the layered losses, which are added to the prediction layer's.
        scoring: how the student is validated.
        options: what a LogitDistiller takes.
    """

    def __init__(
        self,
        teacher: PreTrainedModel,
        student: PreTrainedModel,
        objective: Objective,
        scoring: Scoring,
        **options: Any,
    ):
        super().__init__(student, scoring, **options)
        self.imitation = Imitation(teacher, student, objective)

    def on_train_start(self) -> None:
        """Measure the teacher unless that was done; go on with the random numbers of a run that is resumed."""
        self.imitation.measure_once(self.trainer)
        super().on_train_start()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The sum of both losses of one batch; logs it with every term."""
        seen, terms = self.imitation(batch)
        assert seen.logits is not None
        metrics = self.imitation.metrics("train", terms)
        prediction = self.loss(seen.logits, batch)
        metrics |= {"train/raw/prediction": prediction, "train/loss": metrics["train/loss"] + prediction}
        self.log_training(metrics)
        return metrics["train/loss"]
