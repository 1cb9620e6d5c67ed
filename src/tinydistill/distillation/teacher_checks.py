"""What must hold before a teacher's knowledge of a task is distilled: found in seconds, before hours of training.

N: rows of a split, C: outputs of the prediction layer.
"""

import re

import numpy as np
from numpy.typing import NDArray

from tinydistill.config.build.sources import Source
from tinydistill.data.tasks.examples import Split, Target
from tinydistill.errors import UserError
from tinydistill.models.heads import check_has_head


def check_head(model: Source, target: Target, *, names: bool = True, anyway: str = "") -> None:
    """Raises UserError where a model has no head, or one that predicts something else than the task asks for.

    That is a number in place of classes, another number of classes, or (unless `names` is off) the same classes in
    another order or others altogether. `anyway` closes the message: how to go on although the names differ.
    """
    check_has_head(model.config, path=model.path, override=model.override)
    said = f"{model.override}={model.path}"
    theirs = tuple(str(model.config.id2label[number]) for number in sorted(model.config.id2label))
    if len(theirs) != target.outputs:
        raise UserError(
            f"{said} predicts {_outputs(theirs)}, the task asks for {_outputs(target.labels)}: "
            "name a model of this task, which stage=finetune makes, or another task"
        )
    if target.regression or not names or all(re.fullmatch(r"label_?\d+", name.lower()) for name in theirs):
        return
    ours = [_plain(name) for name in target.labels]
    if sorted(map(_plain, theirs)) != sorted(ours):
        raise UserError(
            f"{said} predicts other labels ({', '.join(theirs)}) than the task's ({', '.join(target.labels)}): "
            f"name a model of this task, which stage=finetune makes{anyway}"
        )
    if list(map(_plain, theirs)) != ours:
        raise UserError(
            f"{said} has its labels in another order ({', '.join(theirs)}) than the task ({', '.join(target.labels)}): "
            f"set 'task.labels=[{','.join(theirs)}]' where the rows give labels by name, or make a teacher with "
            f"stage=finetune{anyway}"
        )


def _outputs(labels: tuple[str, ...]) -> str:
    listed = ", ".join(labels[:10]) + (", …" if len(labels) > 10 else "")
    return f"{len(labels)} classes ({listed})" if len(labels) > 1 else "one number"


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", name.strip().casefold())


def check_score(teacher: Source, split: Split, target: Target, logits_NC: NDArray[np.floating]) -> None:
    """Raises UserError where the teacher does no better on a labelled split than without looking at the text.

    Classes: it must be right more often than the majority class. Numbers: its scores must rise with the labels.
    """
    assert split.labels is not None
    said = f"{teacher.override}={teacher.path}"
    anyway = "name another teacher, make one with stage=finetune, or go on anyway with distill.check_score=false"
    if target.regression:
        scores = logits_NC[:, 0].astype(np.float64)
        correlation = np.corrcoef(scores, split.labels)[0, 1] if np.ptp(scores) else np.nan
        if not correlation > 0:
            raise UserError(
                f"{said}: the teacher's scores on {split.name} don't rise with the labels (correlation "
                f"{correlation:.2f}): {anyway}"
            )
        return
    answers, counts = logits_NC.argmax(1), np.bincount(split.labels, minlength=target.outputs)
    right, majority = float((answers == split.labels).mean()), float(counts.max() / len(split))
    if right <= majority:
        order = _better_order(answers, split.labels, target, majority)
        raise UserError(
            f"{said} is right on {right:.1%} of {split.name}, which is no better than always answering "
            f"{target.labels[counts.argmax()]} ({majority:.1%}){order}: {anyway}"
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
