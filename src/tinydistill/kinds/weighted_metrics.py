"""The scores of a task for many weightings of the same rows at once, which a bootstrap needs thousands of.

They are those of metrics.py, which tests compare them with. N: rows, R: weightings, C: classes.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_RANKS_EPSILON = 1e-6  # torchmetrics adds it to the product of the ranks' deviations


def weighted_scores(
    metric: str, predictions_N: NDArray[Any], labels_N: NDArray[Any], weights_RN: NDArray[Any], classes: int
) -> Floats:
    """The score [R] for each weighting; a weight is how many times a row is there, all rows of a weighting as many.

    Args:
        metric: accuracy, f1, matthews, pearson or spearman.
        predictions_N: class numbers, or real numbers where `classes` is 0.
        labels_N: the same.
        weights_RN: whole numbers.
        classes: how many there are.

    Returns:
        NaN where the score isn't defined, as a correlation with a constant. Matthews' coefficient is 0 where all
        predictions or all labels are of one class, unless all are right.
    """
    weights_RN = weights_RN.astype(np.float64)
    if metric == "pearson":
        x_RN, y_RN = (np.broadcast_to(of, weights_RN.shape) for of in (predictions_N, labels_N))
        return _correlation(x_RN, y_RN, weights_RN)
    if metric == "spearman":
        x_RN, y_RN = (_ranks(of, weights_RN) for of in (predictions_N, labels_N))
        return _correlation(x_RN, y_RN, weights_RN, _RANKS_EPSILON)
    cells_N = labels_N.astype(np.int64) * classes + predictions_N.astype(np.int64)
    confusion_RCC = (weights_RN @ np.eye(classes**2)[cells_N]).reshape(-1, classes, classes)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {"accuracy": _accuracy, "f1": _f1, "matthews": _matthews}[metric](confusion_RCC)


def _accuracy(confusion_RCC: Floats) -> Floats:
    share: Floats = np.trace(confusion_RCC, axis1=1, axis2=2) / confusion_RCC.sum((1, 2))
    return share


def _f1(confusion_RCC: Floats) -> Floats:
    """That of class 1 where there are two classes, else the mean over the classes that are there."""
    right_RC = np.diagonal(confusion_RCC, axis1=1, axis2=2)
    seen_RC = confusion_RCC.sum(1) + confusion_RCC.sum(2)
    scores_RC = np.where(seen_RC > 0, 2 * right_RC / seen_RC, 0)
    if confusion_RCC.shape[-1] == 2:
        return scores_RC[:, 1]
    mean: Floats = scores_RC.sum(1) / (seen_RC > 0).sum(1)
    return mean


def _matthews(confusion_RCC: Floats) -> Floats:
    """The multi-class R_K coefficient (Gorodkin 2004)."""
    total, right = confusion_RCC.sum((1, 2)), np.trace(confusion_RCC, axis1=1, axis2=2)
    true_RC, said_RC = confusion_RCC.sum(2), confusion_RCC.sum(1)
    covariance = right * total - (true_RC * said_RC).sum(1)
    spread = (total**2 - (said_RC**2).sum(1)) * (total**2 - (true_RC**2).sum(1))
    found = np.where(spread > 0, covariance / np.sqrt(spread), 0)
    if confusion_RCC.shape[-1] == 2:
        found = np.where(right == total, 1, np.where(right == 0, -1, found))
    return found


def _correlation(x_RN: Floats, y_RN: Floats, weights_RN: Floats, epsilon: float = 0.0) -> Floats:
    """Pearson's; NaN where one side is constant."""
    share_RN = weights_RN / weights_RN.sum(1, keepdims=True)
    x_RN = x_RN - (share_RN * x_RN).sum(1, keepdims=True)
    y_RN = y_RN - (share_RN * y_RN).sum(1, keepdims=True)
    covariance, x, y = ((share_RN * of).sum(1) for of in (x_RN * y_RN, x_RN**2, y_RN**2))
    tiny = np.finfo(np.float32).eps ** 2
    constant = (x <= tiny * (x_RN**2).max(1)) | (y <= tiny * (y_RN**2).max(1))
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.clip(covariance / (np.sqrt(x * y) + epsilon), -1, 1)
    return np.where(constant, np.nan, found)


def _ranks(values_N: NDArray[Any], weights_RN: Floats) -> Floats:
    """Ranks [R, N] from 1 among the rows of each weighting; equal values have the mean of theirs."""
    _, group_N, counts = np.unique(values_N, return_inverse=True, return_counts=True)
    sorted_RN = weights_RN[:, np.argsort(group_N, kind="stable")]
    sizes = np.add.reduceat(sorted_RN, np.cumsum(counts) - counts, axis=1)
    ranks = np.cumsum(sizes, axis=1) - (sizes - 1) / 2
    by_row: Floats = ranks[:, group_N]
    return by_row
