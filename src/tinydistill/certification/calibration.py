"""Whether probabilities are what they say, and the temperature that makes them so.

N: rows, C: classes.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Classes = NDArray[np.int64]

BINS = 15
COLDEST, HOTTEST = 0.05, 20.0
_STEPS = 60


def log_probabilities(logits_NC: NDArray[np.floating], temperature: float = 1.0) -> Floats:
    """log softmax(z / T) [N, C]."""
    scaled = np.asarray(logits_NC, np.float64) / temperature
    scaled = scaled - scaled.max(-1, keepdims=True)
    found: Floats = scaled - np.log(np.exp(scaled).sum(-1, keepdims=True))
    return found


def confidences(logits_NC: NDArray[np.floating], temperature: float = 1.0) -> Floats:
    """The probability [N] of the class that is answered."""
    found: Floats = np.exp(log_probabilities(logits_NC, temperature).max(-1))
    return found


def nll(logits_NC: NDArray[np.floating], labels_N: Classes, temperature: float = 1.0) -> float:
    """The mean negative log-likelihood of the labels, in nats."""
    rows = np.arange(len(labels_N))
    return float(-log_probabilities(logits_NC, temperature)[rows, labels_N].mean())


def ece(logits_NC: NDArray[np.floating], labels_N: Classes, temperature: float = 1.0, bins: int = BINS) -> float:
    """The expected calibration error: how far confidence and accuracy are apart, a mean over bins of equal width.

    Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, eq. 3.
    """
    sure_N = confidences(logits_NC, temperature)
    right_N = np.asarray(logits_NC).argmax(-1) == labels_N
    bin_N = np.minimum((sure_N * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(bin_N, right_N - sure_N, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels_N))


def fit_temperature(logits_NC: NDArray[np.floating], labels_N: Classes) -> float:
    """The T from 0.05 to 20 that the labels are likeliest with: temperature scaling (Guo et al. 2017, section 4.2).

    The loss is convex in 1 / T, so that the root of its slope Σ p·z − z_y is found by halving. Fit it on rows that the
    model wasn't trained on.
    """
    logits_NC = np.asarray(logits_NC, np.float64)
    right_N = logits_NC[np.arange(len(labels_N)), labels_N]
    cold, hot = np.log(COLDEST), np.log(HOTTEST)
    for _ in range(_STEPS):
        middle = (cold + hot) / 2
        shares_NC = np.exp(log_probabilities(logits_NC, float(np.exp(middle))))
        too_sure = ((shares_NC * logits_NC).sum(-1) - right_N).mean() > 0
        cold, hot = (middle, hot) if too_sure else (cold, middle)
    return float(np.exp((cold + hot) / 2))
