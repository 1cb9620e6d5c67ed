from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.targets import Target
from tinydistill.distillation import teacher_checks as checks
from tinydistill.errors import InputError
from tinydistill.kinds import kind_of

NLI = Target(("entailment", "neutral", "contradiction"))


def complaint(check: Callable[..., None], *arguments: Any) -> str:
    with pytest.raises(InputError) as error:
        check(*arguments)
    return str(error.value)


@pytest.mark.parametrize(
    "labels", [NLI.labels, ("LABEL_0", "LABEL_1", "LABEL_2"), ("Entailment", "NEUTRAL", "contradiction")]
)
def test_a_teacher_with_the_tasks_labels_or_unnamed_ones_passes(labels):
    checks.check_head(labels, NLI)


def test_labels_in_another_order_are_shown_in_both():
    theirs = ("contradiction", "entailment", "neutral")
    said = complaint(checks.check_head, theirs, NLI)
    assert "(contradiction, entailment, neutral) than the task (entailment, neutral, contradiction)" in said
    assert "set 'labels=[contradiction,entailment,neutral]' where the rows give labels by name" in said
    assert "or make a teacher with finetune; if the model's names are wrong, go on with check_labels=false" in said
    checks.check_head(theirs, NLI, check_labels=False)


@pytest.mark.parametrize(
    ("theirs", "ours", "expected"),
    [
        (
            ("no", "yes"),
            NLI.labels,
            "predicts 2 classes (no, yes), the task asks for 3 classes (enta",
        ),
        ((), NLI.labels, "predicts one number, the task asks for 3 classes"),
        (NLI.labels, (), "predicts 3 classes (entailment, neutral, contradiction), the task asks for one number"),
        (("bad", "good"), ("no", "yes"), "predicts other labels (bad, good) than the task's (no, yes)"),
    ],
)
def test_a_teacher_that_predicts_something_else_is_refused(theirs, ours, expected):
    assert expected in complaint(checks.check_head, theirs or ("LABEL_0",), Target(ours))


# scores


def scored(labels: Sequence[float], answers: Sequence[float], target: Target) -> None:
    kind = np.float32 if target.regression else np.int64
    rows = Split("validation", ["the cat"] * len(labels), None, np.array(labels, kind))
    checks.check_score(kind_of(target), rows, np.array(answers, kind))


def test_a_teacher_that_beats_the_majority_class_passes():
    scored([0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1, 1], Target(("no", "yes")))


def test_a_teacher_that_answers_the_majority_class_is_refused():
    with pytest.raises(InputError) as error:
        scored([0, 1, 1, 1], [1, 1, 1, 1], Target(("no", "yes")))
    assert "right on 75.0% of validation, which is no better than always answering yes (75.0%): name" in str(
        error.value
    )
    assert "go on anyway with check_score=false" in str(error.value)


def test_a_permuted_teacher_is_told_the_order_that_it_seems_to_have():
    labels = [0, 1, 2] * 4
    said = complaint(scored, labels, [(label + 1) % 3 for label in labels[:-1]] + [2], NLI)
    # what it calls 0 is contradiction, what it calls 1 entailment
    assert "its labels seem to stand in the order contradiction, entailment, neutral (91.7%)" in said
    assert "the task's are entailment, neutral, contradiction" in said


@pytest.mark.parametrize(("answers", "said"), [([3, 2, 1], "-1.00"), ([1, 1, 1], "nan")])
def test_scores_that_dont_rise_with_the_labels_are_refused(answers, said):
    with pytest.raises(InputError, match=rf"don't rise with the labels \(correlation {said}\)"):
        scored([0, 1, 2], answers, Target())
    scored([0, 1, 2], [1, 2, 2], Target())
