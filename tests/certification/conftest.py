"""What models say of rows that are nothing but their logits."""

from collections.abc import Sequence
from typing import Any

from tinydistill.certification.answers import Answers, Said
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.targets import Target
from tinydistill.kinds import TaskKind, kind_of


def answers_of(student: Any, teacher: Any, labels: Any = None, names: Sequence[str] = "abc", **split: Any) -> Answers:
    """What both say, by logits of which rows make a class each."""
    return of_kind(kind_of(Target(tuple(names))), student, teacher, labels, **split)


def of_kind(kind: TaskKind, student: Any, teacher: Any, labels: Any = None, **split: Any) -> Answers:
    """The same of another kind."""
    rows = Split("rows", **({"texts": [f"text {row}" for row in range(len(student))]} | split), labels=labels)
    return Answers(Said(kind, rows, student), Said(kind, rows, teacher))
