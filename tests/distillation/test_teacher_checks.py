from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.conftest import bert
from tinydistill.config.build.sources import Source, find
from tinydistill.data.tasks.examples import Split, Target
from tinydistill.distillation import teacher_checks as preflight
from tinydistill.errors import UserError
from tinydistill.models.heads import add_head
from tinydistill.models.loading import save_classifier, save_encoder

NLI = Target(("entailment", "neutral", "contradiction"))


@pytest.fixture
def source(tokenizer, tmp_path):
    """A model that tells the given labels apart; an encoder without."""

    def make(name: str, labels: tuple[str, ...] | None = None) -> Source:
        encoder = bert()
        if labels is None:
            save_encoder(encoder, tokenizer, tmp_path / name)
        else:
            save_classifier(add_head(encoder, labels, seed=0), tokenizer, tmp_path / name)
        return find(str(tmp_path / name), f"{name}.path")

    return make


def complaint(check: Callable[..., None], *arguments: Any) -> str:
    with pytest.raises(UserError) as error:
        check(*arguments)
    return str(error.value)


@pytest.mark.parametrize(
    "labels", [NLI.labels, ("LABEL_0", "LABEL_1", "LABEL_2"), ("Entailment", "NEUTRAL", "contradiction")]
)
def test_a_teacher_with_the_tasks_labels_or_unnamed_ones_passes(source, labels):
    preflight.check_head(source("teacher", labels), NLI)


def test_labels_in_another_order_are_shown_in_both(source):
    teacher = source("teacher", ("contradiction", "entailment", "neutral"))
    said = complaint(preflight.check_head, teacher, NLI)
    assert "(contradiction, entailment, neutral) than the task (entailment, neutral, contradiction)" in said
    assert "set 'task.labels=[contradiction,entailment,neutral]' where the rows give labels by name" in said
    assert said.endswith("or make a teacher with stage=finetune")
    preflight.check_head(teacher, NLI, names=False)


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
        (None, NLI.labels, "holds no classification head: make one with stage=finetune"),
    ],
)
def test_a_teacher_that_predicts_something_else_is_refused(source, theirs, ours, expected):
    assert expected in complaint(preflight.check_head, source("teacher", theirs), Target(ours))


# scores


def scored(teacher: Source, labels: list[float], answers: list[float], target: Target) -> None:
    if target.regression:
        split, logits = np.array(labels, np.float32), np.array(answers)[:, None]
    else:
        split, logits = np.array(labels), np.eye(target.outputs)[answers]
    rows = Split("validation", ["the cat"] * len(labels), None, split)
    preflight.check_score(teacher, rows, target, logits)


@pytest.fixture
def teacher(source) -> Source:
    return source("teacher", ("no", "yes"))


def test_a_teacher_that_beats_the_majority_class_passes(teacher):
    scored(teacher, [0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1, 1], Target(("no", "yes")))


def test_a_teacher_that_answers_the_majority_class_is_refused(teacher):
    with pytest.raises(UserError) as error:
        scored(teacher, [0, 1, 1, 1], [1, 1, 1, 1], Target(("no", "yes")))
    assert "right on 75.0% of validation, which is no better than always answering yes (75.0%): name" in str(
        error.value
    )
    assert "distill.check_score=false" in str(error.value)


def test_a_permuted_teacher_is_told_the_order_that_it_seems_to_have(teacher):
    labels = [0, 1, 2] * 4
    said = complaint(scored, teacher, labels, [(label + 1) % 3 for label in labels[:-1]] + [2], NLI)
    # what it calls 0 is contradiction, what it calls 1 entailment
    assert "its labels seem to stand in the order contradiction, entailment, neutral (91.7%)" in said
    assert "the task's are entailment, neutral, contradiction" in said


@pytest.mark.parametrize(("answers", "said"), [([3, 2, 1], "-1.00"), ([1, 1, 1], "nan")])
def test_scores_that_dont_rise_with_the_labels_are_refused(teacher, answers, said):
    with pytest.raises(UserError, match=rf"don't rise with the labels \(correlation {said}\)"):
        scored(teacher, [0, 1, 2], answers, Target())
    scored(teacher, [0, 1, 2], [1, 2, 2], Target())
