"""Supervised training on a task: of the teacher to be distilled, or of a student without distillation."""

from dataclasses import dataclass, field
from typing import Any

from tinydistill.config.schema.option import RATE, option
from tinydistill.config.schema.stages import Training, passes


@dataclass
class FinetuneTeacher:
    """How long and how fast the teacher learns, from teacher.path."""

    epochs: int | None = option(
        "passes over the training rows, at most; null for about 1,200 steps of 32 rows, 2 to 8 passes",
        "${task.finetune.epochs}",
        at_least=1,
    )
    learning_rate: Any = option(
        "peak learning rate; of a list, [5e-5,1e-4,2e-4], each is tried",
        "${task.finetune.learning_rate}",
        at_least=0,
        at_most=RATE,
    )
    patience: int | None = option("epochs without a better selection score that end it; null for none", 2, at_least=1)
    trial_rows: int = option(
        "training rows, at most, on which every rate of a list is tried in full; on more for a tenth of the steps",
        10_000,
        at_least=0,
    )

    def passes(self, rows: int) -> int:
        """Over so many training rows, at most."""
        return self.epochs or passes(rows, steps=1200, least=2, most=8)


@dataclass
class FinetuneStudent:
    """How long and how fast the student learns, from student.path or like a general student with student.init."""

    epochs: int = option("passes over the training rows", "${task.finetune.student_epochs}", at_least=1)
    learning_rate: float = option("peak learning rate", 3e-4, at_least=0, at_most=RATE)
    patience: int | None = option(
        "epochs without a better selection score that end it; null for none", None, at_least=1
    )

    def passes(self, rows: int) -> int:
        """The same over any number of training rows."""
        return self.epochs


@dataclass
class Finetune(Training):
    """Supervised training on a task, without distillation."""

    model: str = option(
        "which model: the student's score is the baseline of distillation", "teacher", choices=("teacher", "student")
    )
    batch_size: int = option("rows per device and forward pass", 32, at_least=1)
    teacher: FinetuneTeacher = field(default_factory=FinetuneTeacher)
    student: FinetuneStudent = field(default_factory=FinetuneStudent)

    @property
    def run(self) -> FinetuneTeacher | FinetuneStudent:
        """The options of the chosen model."""
        return self.teacher if self.model == "teacher" else self.student

    @property
    def rates(self) -> list[float]:
        """Its peak learning rates, each once: one, or those to be tried."""
        given = self.run.learning_rate
        return list(dict.fromkeys(map(float, given if isinstance(given, list) else [given])))
