"""The scores of a task: torchmetrics' implementations under the names that conf/task uses.

N: rows, B: rows in a batch, C: outputs of the prediction layer.
"""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import (
    BinaryF1Score,
    MulticlassAccuracy,
    MulticlassF1Score,
    MulticlassMatthewsCorrCoef,
)
from torchmetrics.functional import pearson_corrcoef, spearman_corrcoef
from torchmetrics.regression import SpearmanCorrCoef
from torchmetrics.utilities import dim_zero_cat

OF_CLASSES = ("accuracy", "f1", "matthews")
OF_NUMBERS = ("spearman", "pearson")


def task_metrics(names: Sequence[str], outputs: int) -> MetricCollection:
    """Accuracy (micro), F1 (of class 1 where there are two classes, else macro), Matthews, Pearson and Spearman.

    All take (predictions [N], labels [N]): class numbers, or real numbers for a regression.

    Args:
        names: which of them.
        outputs: number of classes; not looked at by those of numbers.
    """
    return MetricCollection({name: _metric(name, outputs) for name in names})


def _metric(name: str, outputs: int) -> Metric:
    alone: Any = {"sync_on_compute": False}  # every rank sees all rows
    if name == "accuracy":
        return MulticlassAccuracy(outputs, average="micro", **alone)
    if name == "f1":
        return BinaryF1Score(**alone) if outputs == 2 else MulticlassF1Score(outputs, average="macro", **alone)
    if name == "matthews":
        return MulticlassMatthewsCorrCoef(outputs, **alone)
    return _Correlation(pearson_corrcoef if name == "pearson" else spearman_corrcoef, **alone)


class _Correlation(SpearmanCorrCoef):
    """Of all rows at once; nan where one side is constant, which torchmetrics' own don't tell from rounding."""

    def __init__(self, of: Callable[[Tensor, Tensor], Tensor], **options: Any):
        super().__init__(**options)
        self.of = of

    def compute(self) -> Tensor:
        """The coefficient."""
        sides = dim_zero_cat(self.preds), dim_zero_cat(self.target)
        constant = any(bool((side == side[0]).all()) for side in sides)
        return sides[0].new_tensor(float("nan")) if constant else self.of(*sides)


def retention(ours: float | None, theirs: float | None) -> float | None:
    """A score in percent of another; None where one is missing, or the other is 0."""
    return 100 * ours / theirs if ours is not None and theirs else None
