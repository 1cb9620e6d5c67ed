"""One label, or one number, for a text or a pair of texts.

B: rows in a batch, C: outputs of the prediction layer, N: rows of a split.
"""

import copy
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from tinydistill.data.tasks.encoding import EncodedRows
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.targets import Target
from tinydistill.escaping import for_markdown, for_spreadsheet
from tinydistill.kinds.base import Batch, Logits, TaskKind, of_targets
from tinydistill.kinds.confusion import Confusion
from tinydistill.kinds.decisions import Decisions
from tinydistill.kinds.functional import soft_cross_entropy
from tinydistill.kinds.metrics import OF_CLASSES, OF_NUMBERS, task_metrics
from tinydistill.models.heads import Head


class _OfSequences(TaskKind):
    """What both kinds have in common. `labels` are int64 [N] class numbers, or float32 [N]."""

    pipeline = "text-classification"
    read_out = """(logits,) = session.run(["logits"], inputs)
labels = json.load(open("DIRECTORY/config.json"))["id2label"]
print([labels[str(number)] for number in logits.argmax(-1)], logits)"""

    @property
    def described(self) -> str:
        """One of its classes, or a number."""
        names = ", ".join(map(for_markdown, self.target.labels))
        return f"one of {names}" if names else "a number"

    @property
    def head(self) -> Head:
        """A sequence classification's, which transformers has for numbers too."""
        return Head(self.target.labels)

    def scores(self, names: Sequence[str], answers: NDArray[Any], split: Split) -> dict[str, float]:
        """torchmetrics' scores of answers [N]."""
        found = task_metrics(names, self.target.outputs)(torch.tensor(answers), torch.tensor(split.labels))
        return {name: float(found[name]) for name in names}


class SequenceClassification(_OfSequences):
    """One of several classes."""

    metrics = OF_CLASSES
    predicts = "classes"
    alike_with = "the same class"

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """The mean over the batch of the cross-entropy with the right class."""
        return F.cross_entropy(logits.float(), batch["labels"])

    def soft_loss(self, logits: Tensor, batch: Batch, *, temperature: float = 1.0, scale: float = 1.0) -> Tensor:
        """The soft cross-entropy (eq. 10)."""
        return scale * soft_cross_entropy(logits, batch["teacher_logits"], temperature)

    def answers(self, split: Split, logits: Logits, rows: EncodedRows | None = None) -> NDArray[np.int64]:
        """The numbers [N] of the classes with the largest logits."""
        numbers: NDArray[np.int64] = logits.argmax(-1)
        return numbers

    def confusion(self, answers: NDArray[np.int64], split: Split) -> Confusion:
        """That of the class numbers [N] that a model answers."""
        return Confusion.of(self.target.labels, split.classes, answers)

    def given(self, answers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """One of them."""
        return answers[:, None] == np.arange(len(self.target.labels))

    def decisions(self, split: Split, logits: Logits, rows: EncodedRows | None = None) -> Decisions:
        """One a row."""
        return Decisions(logits, np.arange(len(split)), None if split.labels is None else split.classes)

    def margins(self, logits: Logits) -> NDArray[np.float64]:
        """The largest probability [N] less the next."""
        shares = np.sort(torch.tensor(np.asarray(logits), dtype=torch.float64).softmax(-1).numpy())
        margins: NDArray[np.float64] = shares[:, -1] - shares[:, -2]
        return margins

    def commonest(self, split: Split) -> NDArray[np.int64]:
        """The commonest class, N times."""
        return np.full(len(split), np.bincount(split.classes).argmax())

    def shown(self, labels: NDArray[np.int64], split: Split) -> Sequence[str]:
        """Their names."""
        return [self.target.labels[number] for number in labels]

    def columns(self, split: Split, answers: Any, logits: Logits) -> dict[str, Any]:
        """Every class's probability, as p(NAME)."""
        shares = torch.tensor(np.asarray(logits, np.float32)).softmax(-1).numpy()
        return {f"p({for_spreadsheet(name)})": shares[:, number] for number, name in enumerate(self.target.labels)}

    def predicted(self, split: Split, answers: Any, logits: Logits) -> dict[str, Sequence[Any]]:
        """With every class's probability, as p(NAME), to six digits."""
        shares = torch.tensor(np.asarray(logits, np.float32)).double().softmax(-1).numpy().round(6)
        of_classes = {f"p({name})": shares[:, number].tolist() for number, name in enumerate(self.target.labels)}
        return {**super().predicted(split, answers, logits), **of_classes}

    def as_rows(self, split: Split, answers: Any, logits: Logits) -> dict[str, Sequence[Any]]:
        """With every class's probability, by its name."""
        shares = torch.tensor(np.asarray(logits, np.float32)).softmax(-1).tolist()
        soft = [dict(zip(self.target.labels, of_row, strict=True)) for of_row in shares]
        return {**super().as_rows(split, answers, logits), "soft_labels": soft}

    def no_better(self, split: Split, answers: NDArray[np.int64]) -> str | None:
        """It must be right more often than the majority class; in another order of its labels it may be."""
        labels, names = split.classes, self.target.labels
        counts = np.bincount(labels, minlength=len(names))
        right, majority = float((answers == labels).mean()), float(counts.max() / len(split))
        if right > majority:
            return None
        confusion = np.zeros((len(names), len(names)), np.int64)
        np.add.at(confusion, (answers, labels), 1)
        order, reordered = confusion.argmax(1).tolist(), float(confusion.max(1).sum() / len(labels))
        remark = ""
        if len(set(order)) == len(names) and reordered > majority:
            remark = (
                f"; its labels seem to stand in the order {', '.join(names[i] for i in order)} ({reordered:.1%}), the "
                f"task's are {', '.join(names)}"
            )
        return (
            f"is right on {right:.1%} of {split.name}, which is no better than always answering "
            f"{names[counts.argmax()]} ({majority:.1%}){remark}"
        )


class SequenceRegression(_OfSequences):
    """A number; two are alike that differ by no more than `tolerance`."""

    metrics = OF_NUMBERS
    predicts = "numbers"
    alike_with = "the same number"
    tolerance = 0.0

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """The mean over the batch of the squared error."""
        return F.mse_loss(logits[:, 0].float(), batch["labels"].float())

    def soft_loss(self, logits: Tensor, batch: Batch, *, temperature: float = 1.0, scale: float = 1.0) -> Tensor:
        """The mean squared difference from the teacher's number; temperatures are of classes alone."""
        return F.mse_loss(logits.float(), batch["teacher_logits"].float())

    def answers(self, split: Split, logits: Logits, rows: EncodedRows | None = None) -> NDArray[np.float32]:
        """The numbers [N]."""
        return np.asarray(logits[:, 0], np.float32)

    def commonest(self, split: Split) -> None:
        """Numbers have none."""
        return

    def shown(self, labels: NDArray[Any], split: Split) -> Sequence[float]:
        """Themselves."""
        return labels.tolist()

    def no_better(self, split: Split, answers: NDArray[np.float32]) -> str | None:
        """Its numbers must rise with the labels."""
        numbers = answers.astype(np.float64)
        correlation = np.corrcoef(numbers, np.asarray(split.labels))[0, 1] if np.ptp(numbers) else np.nan
        if correlation > 0:
            return None
        return f": its scores on {split.name} don't rise with the labels (correlation {correlation:.2f})"

    def within(self, tolerance: float, split: Split) -> Self:
        """With a share of the labels' range."""
        found = copy.copy(self)
        found.tolerance = tolerance * float(np.ptp(np.asarray(split.labels, np.float64)))
        found.alike_with = f"numbers within {found.tolerance:.4g} of each other"
        return found

    def alike(self, ours: Any, theirs: Any, split: Split) -> NDArray[np.bool_]:
        """Whether the numbers are within the tolerance of each other."""
        near: NDArray[np.bool_] = np.abs(np.asarray(ours, np.float64) - theirs) <= self.tolerance
        return near

    def equal(self, ours: Any, theirs: Any) -> None:
        """Numbers can only be near."""

    def nearness(self, ours: Any, theirs: Any) -> tuple[str, float]:
        """The correlation of both models' numbers."""
        return "correlation", float(np.corrcoef(ours, theirs)[0, 1])


@of_targets(Target)
def _of_sequences(target: Target) -> TaskKind:
    """A target without names of classes is a number."""
    return SequenceRegression(target) if target.regression else SequenceClassification(target)
