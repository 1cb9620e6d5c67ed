"""How far a student answers as its teacher does, row by row.

N: rows, C: classes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinydistill.certification.calibration import log_probabilities
from tinydistill.certification.threshold import Flags


def probability_loyalty(student_NC: NDArray[np.floating], teacher_NC: NDArray[np.floating]) -> float:
    """1 − √JSD(p^S, p^T), a mean over rows: 1 for equal probabilities, 0 for such that have no class in common.

    JSD is the Jensen-Shannon divergence in bits. Xu et al., "Beyond Preserved Accuracy: Evaluating Loyalty and
    Robustness of BERT Compression", EMNLP 2021.
    """
    logs = [log_probabilities(logits) for logits in (student_NC, teacher_NC)]
    between = np.logaddexp(*logs) - np.log(2)
    divergence_N = sum((np.exp(log) * (log - between)).sum(-1) for log in logs) / (2 * np.log(2))
    return float(1 - np.sqrt(np.clip(divergence_N, 0, 1)).mean())


@dataclass(frozen=True)
class Flips:
    """Which rows [N] a student answers otherwise than its teacher, by who is right.

    `negative`: the teacher alone, `positive`: the student alone, `both_wrong`: neither.
    """

    negative: Flags
    positive: Flags
    both_wrong: Flags


def flips(student_N: Flags, teacher_N: Flags, agree_N: Flags) -> Flips:
    """Rows whose answer changes where the student takes its teacher's place, from where each is right.

    Negative flips: Yan et al., "Positive-Congruent Training: Towards Regression-Free Model Updates", CVPR 2021.
    """
    differ = ~agree_N
    return Flips(differ & teacher_N & ~student_N, differ & student_N & ~teacher_N, differ & ~teacher_N & ~student_N)
