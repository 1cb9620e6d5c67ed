"""Checks of a teacher that take seconds, before hours of training on its answers."""

import re
from collections.abc import Sequence
from typing import Any

from tinydistill.data.formats import list_names
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.targets import Target
from tinydistill.errors import InputError
from tinydistill.kinds import TaskKind


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
    return f"{len(labels)} classes ({list_names(labels, 10)})" if len(labels) > 1 else "one number"


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", name.strip().casefold())


def check_score(kind: TaskKind, split: Split, answers: Any, *, called: str = "the teacher") -> None:
    """Raise InputError where a teacher's answers to a labeled split are no better than guessing without reading."""
    if said := kind.no_better(split, answers):
        raise InputError(
            f"{called}{said if said.startswith(':') else f' {said}'}",
            "name another teacher, make one with {stage:finetune}, or go on anyway with "
            "{check_score.check_score}=false",
        )
