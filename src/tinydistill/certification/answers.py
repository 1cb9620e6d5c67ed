"""What a student and its teacher say of the same rows, compared as the kind of their task has it.

N: rows.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydistill.certification import calibration
from tinydistill.certification.calibration import Floats
from tinydistill.certification.threshold import Flags
from tinydistill.data.tasks.encoding import EncodedRows
from tinydistill.data.tasks.examples import Split
from tinydistill.kinds.base import Logits, TaskKind
from tinydistill.kinds.decisions import Decisions


@dataclass(frozen=True)
class Said:
    """What a model says of the rows of a split: its logits, and its kind as it answers; `rows` are their tokens."""

    kind: TaskKind
    split: Split
    logits: Logits
    rows: EncodedRows | None = None

    def __len__(self) -> int:
        return len(self.split)

    @cached_property
    def answers(self) -> Any:
        """As the kind has them."""
        return self.kind.answers(self.split, self.logits, self.rows)

    @cached_property
    def decisions(self) -> Decisions | None:
        """What the answers are made of, where that is choices among classes."""
        return self.kind.decisions(self.split, self.logits, self.rows)

    def confidences(self, temperature: float | None) -> Floats | None:
        """How sure the answer to each row is [N]: the probability of its least probable decision, or the kind's own.

        None where answers have no confidence.
        """
        found = self.kind.confidences(self.split, self.logits, self.rows)
        if found is not None or self.decisions is None:
            return found
        least = np.ones(len(self))
        sure = calibration.confidences(self.decisions.logits, temperature or 1.0)
        np.minimum.at(least, self.decisions.rows, sure)
        return least

    def alike(self, other: "Said") -> Flags:
        """Where another model answers alike [N]; or the same, other texts in the place of these."""
        return self.kind.alike(self.answers, other.answers, self.split)

    @cached_property
    def right(self) -> Flags:
        """Where the answer is that of the label [N]."""
        return self.kind.right(self.answers, self.split)

    @cached_property
    def counts(self) -> dict[str, NDArray[np.float64]]:
        """What the scores of a labeled split are made of, row by row [N]; empty where they aren't made of counts."""
        columns = self.kind.columns(self.split, self.answers, self.logits)
        return {name[2:-1]: np.asarray(values) for name, values in columns.items() if name.startswith("n(")}


@dataclass(frozen=True)
class Answers:
    """What both say of the same rows."""

    student: Said
    teacher: Said

    def __len__(self) -> int:
        return len(self.student)

    @property
    def kind(self) -> TaskKind:
        """The task's, as the student answers."""
        return self.student.kind

    @property
    def split(self) -> Split:
        """The rows."""
        return self.student.split

    @cached_property
    def agree(self) -> Flags:
        """Where both answer alike [N]."""
        return self.student.alike(self.teacher)

    @property
    def parts(self) -> dict[str, Any] | None:
        """How many parts of answers, as words, are `equal`, where rows have several; they aren't independent."""
        equal = self.kind.equal(self.student.answers, self.teacher.answers)
        if equal is None or len(equal) == len(self):
            return None
        return {"of": self.kind.answered, "count": len(equal), "equal": int(equal.sum())}
