"""What there is to say of a student beside its teacher, from what both say of the same rows.

N: rows, C: classes.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydistill.certification import calibration, threshold
from tinydistill.certification.calibration import Classes
from tinydistill.certification.loyalty import flips, probability_loyalty
from tinydistill.certification.slices import Slice, by_class
from tinydistill.certification.threshold import Flags
from tinydistill.kinds.binomial import least_rows, lower_bound

Logits = NDArray[np.float32]


@dataclass(frozen=True)
class Level:
    """What a certificate promises: that models agree on this share of the rows, with this confidence."""

    agreement: float = 0.99
    confidence: float = 0.95


@dataclass(frozen=True)
class Answers:
    """The logits [N, C] of a student and its teacher for the same rows, and their labels [N] where they are known."""

    student: Logits
    teacher: Logits
    labels: Classes | None = None

    def __len__(self) -> int:
        return len(self.student)

    @property
    def agree(self) -> Flags:
        """Where both give the same class [N]."""
        return self.student.argmax(-1) == self.teacher.argmax(-1)


def agreement(agree_N: Flags, level: Level) -> dict[str, Any]:
    """How many rows agree, which share that is, and what the true share is at least (`bound`); no share of no rows."""
    rows, agreeing = len(agree_N), int(agree_N.sum())
    known: dict[str, Any] = {"agreement": None, "bound": None}
    if rows:
        known = {"agreement": agreeing / rows, "bound": lower_bound(agreeing, rows, level.confidence)}
    return {"rows": rows, "agreeing": agreeing, **known}


def sliced(answers: Answers, slices: Sequence[Slice], labels: Sequence[str], level: Level) -> list[dict[str, Any]]:
    """The agreement within every slice; first by what the teacher answers, and by the label where it is known."""
    found = by_class("teacher's answer", answers.teacher.argmax(-1), labels)
    if answers.labels is not None:
        found += by_class("label", answers.labels, labels)
    agree = answers.agree
    return [{"group": one.group, "name": one.name, **agreement(agree[one.rows], level)} for one in [*found, *slices]]


def temperature(kept: Answers | None) -> float:
    """The student's, fitted on rows kept out of training; 1 where there are none with labels."""
    return 1.0 if kept is None or kept.labels is None else calibration.fit_temperature(kept.student, kept.labels)


def calibrated(answers: Answers, of_student: float) -> dict[str, float]:
    """ECE and NLL of the student as it is and with its temperature, on labeled rows."""
    assert answers.labels is not None
    logits, labels = answers.student, answers.labels
    return {
        "ece": calibration.ece(logits, labels),
        "nll": calibration.nll(logits, labels),
        "ece_calibrated": calibration.ece(logits, labels, of_student),
        "nll_calibrated": calibration.nll(logits, labels, of_student),
    }


def flipped(answers: Answers) -> dict[str, int]:
    """How many rows change their answer, by who is right."""
    assert answers.labels is not None
    found = flips(answers.student.argmax(-1), answers.teacher.argmax(-1), answers.labels)
    return {name: int(rows.sum()) for name, rows in vars(found).items()}


def cascade(answers: Answers, kept: Answers | None, of_student: float, level: Level) -> dict[str, Any]:
    """The tested threshold of the calibrated confidence, and how many rows answer above it.

    The pilot are the rows kept out of training, or else a part of the rows themselves, which then don't decide.
    """
    sure, agree = calibration.confidences(answers.student, of_student), answers.agree
    if kept is None:
        aside = threshold.put_aside(len(answers))
        pilot, agreed = sure[aside], agree[aside]
        sure, agree = sure[~aside], agree[~aside]
    else:
        pilot, agreed = calibration.confidences(kept.student, of_student), kept.agree
    asked = asdict(level)
    sequence = threshold.ordered(pilot, agreed, len(sure), **asked)
    found = threshold.certified(sequence, sure, agree, **asked)
    return {**asdict(found), "least_rows": least_rows(level.agreement, level.confidence)}


def certify(
    answers: Answers,
    labeled: Answers,
    kept: Answers | None,
    slices: Sequence[Slice],
    labels: Sequence[str],
    level: Level,
) -> dict[str, Any]:
    """All figures of one form of a student.

    Args:
        answers: to the rows that decide on agreement and threshold; they need no labels.
        labeled: to labeled rows, the same or others.
        kept: to labeled rows kept out of training, for temperature and pilot; None where there are none.
        slices: of the rows of `answers`.
        labels: the classes' names.
        level: what is promised.
    """
    of_student = temperature(kept)
    return {
        **agreement(answers.agree, level),
        "loyalty": probability_loyalty(answers.student, answers.teacher),
        "flips": flipped(labeled),
        "temperature": of_student,
        **calibrated(labeled, of_student),
        "cascade": cascade(answers, kept, of_student, level),
        "slices": sliced(answers, slices, labels, level),
    }
