"""What must hold before a teacher's knowledge of a task is distilled: found in seconds, before hours of training.

N: rows of a split, C: outputs of the prediction layer.
"""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tinydistill.data.tasks.examples import Split, Target
from tinydistill.errors import InputError


def check_head(theirs: Sequence[str], target: Target, *, check_labels: bool = True, called: str = "the model") -> None:
    """Raise InputError where a model with a head for the labels `theirs` doesn't predict what the task asks for.

    That is a number in place of classes, another number of classes, or (unless `check_labels` is off) the same classes
    in another order or others altogether.
    """
    if len(theirs) != target.outputs:
        raise InputError(
            f"{called} predicts {_outputs(theirs)}, the task asks for {_outputs(target.labels)}",
            "name a model of this task, which {stage:finetune} makes, or another task",
        )
    if target.regression or not check_labels or all(re.fullmatch(r"label_?\d+", name.lower()) for name in theirs):
        return
    ours = [_plain(name) for name in target.labels]
    anyway = "if the model's names are wrong, go on with {check_head.check_labels}=false"
    if sorted(map(_plain, theirs)) != sorted(ours):
        raise InputError(
            f"{called} predicts other labels ({', '.join(theirs)}) than the task's ({', '.join(target.labels)})",
            f"name a model of this task, which {{stage:finetune}} makes; {anyway}",
        )
    if list(map(_plain, theirs)) != ours:
        raise InputError(
            f"{called} has its labels in another order ({', '.join(theirs)}) than the task "
            f"({', '.join(target.labels)})",
            f"set '{{Target.labels}}=[{','.join(theirs)}]' where the rows give labels by name, or make a teacher with "
            f"{{stage:finetune}}; {anyway}",
        )


def _outputs(labels: Sequence[str]) -> str:
    listed = ", ".join(labels[:10]) + (", …" if len(labels) > 10 else "")
    return f"{len(labels)} classes ({listed})" if len(labels) > 1 else "one number"


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", name.strip().casefold())


def check_score(split: Split, target: Target, logits_NC: NDArray[np.floating], *, called: str = "the teacher") -> None:
    """Raise InputError where a teacher does no better on a labeled split than without looking at the text.

    Classes: it must be right more often than the majority class. Numbers: its scores must rise with the labels.
    """
    assert split.labels is not None
    advice = (
        "name another teacher, make one with {stage:finetune}, or go on anyway with {check_score.check_score}=false"
    )
    if target.regression:
        scores = logits_NC[:, 0].astype(np.float64)
        correlation = np.corrcoef(scores, split.labels)[0, 1] if np.ptp(scores) else np.nan
        if not correlation > 0:
            raise InputError(
                f"{called}: its scores on {split.name} don't rise with the labels (correlation {correlation:.2f})",
                advice,
            )
        return
    answers, counts = logits_NC.argmax(1), np.bincount(split.labels, minlength=target.outputs)
    right, majority = float((answers == split.labels).mean()), float(counts.max() / len(split))
    if right <= majority:
        order = _better_order(answers, split.labels, target, majority)
        raise InputError(
            f"{called} is right on {right:.1%} of {split.name}, which is no better than always answering "
            f"{target.labels[counts.argmax()]} ({majority:.1%}){order}",
            advice,
        )


def _better_order(answers: NDArray[np.int64], labels: NDArray[np.int64], target: Target, majority: float) -> str:
    """A remark on the order of labels in which the teacher would be right, if there is one."""
    confusion = np.zeros((target.outputs, target.outputs), np.int64)
    np.add.at(confusion, (answers, labels), 1)
    order, right = confusion.argmax(1).tolist(), float(confusion.max(1).sum() / len(labels))
    if len(set(order)) < target.outputs or right <= majority:
        return ""
    return (
        f"; its labels seem to stand in the order {', '.join(target.labels[i] for i in order)} ({right:.1%}), the "
        f"task's are {', '.join(target.labels)}"
    )
