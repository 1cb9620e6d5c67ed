"""What there is to say of a student beside its teacher, from what both say of the same rows.

N: rows.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tinydistill.certification import calibration, threshold
from tinydistill.certification.answers import Answers, Said
from tinydistill.certification.loyalty import flips, probability_loyalty
from tinydistill.certification.slices import Slice, by_label
from tinydistill.certification.threshold import Flags
from tinydistill.kinds.binomial import least_rows, lower_bound


@dataclass(frozen=True)
class Level:
    """What a certificate promises: that models agree on this share of the rows, with this confidence."""

    agreement: float = 0.99
    confidence: float = 0.95


def agreement(agree_N: Flags, level: Level) -> dict[str, Any]:
    """How many rows agree, which share that is, and what the true share is at least (`bound`); no share of no rows."""
    rows, agreeing = len(agree_N), int(agree_N.sum())
    known: dict[str, Any] = {"agreement": None, "bound": None}
    if rows:
        known = {"agreement": agreeing / rows, "bound": lower_bound(agreeing, rows, level.confidence)}
    return {"rows": rows, "agreeing": agreeing, **known}


def sliced(answers: Answers, slices: Sequence[Slice], level: Level) -> list[dict[str, Any]]:
    """The agreement within every slice; first by what the teacher answers, and by the label where it is known."""
    kind, known, agree = answers.kind, answers.split.labels, answers.agree
    found = by_label("teacher's answer", kind.given(answers.teacher.answers), kind.target.labels)
    if known is not None:
        found += by_label("label", kind.given(known), kind.target.labels)
    return [{"group": one.group, "name": one.name, **agreement(agree[one.rows], level)} for one in [*found, *slices]]


def loyalty(answers: Answers) -> float | None:
    """How alike both models' probabilities are, a mean over decisions; None where there are none."""
    ours, theirs = answers.student.decisions, answers.teacher.decisions
    return None if ours is None or theirs is None else probability_loyalty(ours.logits, theirs.logits)


def temperature(student: Said, kept: Said | None) -> float | None:
    """The student's, fitted on rows kept out of training: 1 where there are none, None without decisions."""
    if student.decisions is None:
        return None
    found = None if kept is None else kept.decisions
    return 1.0 if found is None or found.labels is None else calibration.fit_temperature(found.logits, found.labels)


def calibrated(said: Said, of_model: float | None = None) -> dict[str, float | None]:
    """ECE and NLL of a model's decisions on labeled rows, with a temperature if it has one; None without decisions."""
    found = said.decisions
    if found is None or found.labels is None:
        return {"ece": None, "nll": None}
    given = found.logits, found.labels, of_model or 1.0
    return {"ece": calibration.ece(*given), "nll": calibration.nll(*given)}


def flipped(answers: Answers) -> dict[str, int]:
    """How many labeled rows change their answer, by who is right."""
    found = flips(answers.student.right, answers.teacher.right, answers.agree)
    return {name: int(rows.sum()) for name, rows in vars(found).items()}


def cascade(answers: Answers, kept: Answers | None, of_student: float | None, level: Level) -> dict[str, Any] | None:
    """The tested threshold of the calibrated confidence, and how many rows answer above it; None without confidences.

    The pilot are the rows kept out of training, or else a part of the rows themselves, which then don't decide.
    """
    sure, agree = answers.student.confidences(of_student), answers.agree
    if sure is None:
        return None
    piloted = None if kept is None else kept.student.confidences(of_student)
    if kept is None or piloted is None:
        aside = threshold.put_aside(len(answers))
        pilot, agreed = sure[aside], agree[aside]
        sure, agree = sure[~aside], agree[~aside]
    else:
        pilot, agreed = piloted, kept.agree
    asked = asdict(level)
    sequence = threshold.ordered(pilot, agreed, len(sure), **asked)
    found = threshold.certified(sequence, sure, agree, **asked)
    return {**asdict(found), "least_rows": least_rows(level.agreement, level.confidence)}


def certify(
    answers: Answers, labeled: Answers, kept: Answers | None, slices: Sequence[Slice], level: Level
) -> dict[str, Any]:
    """All figures of one form of a student.

    Args:
        answers: to the rows that decide on agreement and threshold; they need no labels.
        labeled: to labeled rows, the same or others.
        kept: to labeled rows kept out of training, for temperature and pilot; None where there are none.
        slices: of the rows of `answers`.
        level: what is promised.

    Returns:
        None for what there is none of: calibration where answers are no choices among classes, a cascade where they
        have no confidence.
    """
    of_student = temperature(answers.student, None if kept is None else kept.student)
    after = calibrated(labeled.student, of_student)
    return {
        **agreement(answers.agree, level),
        **({} if (parts := answers.parts) is None else {"parts": parts}),
        "loyalty": loyalty(answers),
        "flips": flipped(labeled),
        "temperature": of_student,
        **calibrated(labeled.student),
        **{f"{name}_calibrated": value for name, value in after.items()},
        "cascade": cascade(answers, kept, of_student, level),
        "slices": sliced(answers, slices, level),
    }
