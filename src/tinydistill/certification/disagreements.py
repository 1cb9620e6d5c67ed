"""The rows that a student answers otherwise than its teacher, as a table for people.

N: rows.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tinydistill.certification.answers import Answers
from tinydistill.certification.loyalty import flips
from tinydistill.escaping import spreadsheet_cell

KINDS = {"negative": "teacher alone is right", "positive": "student alone is right", "both_wrong": "both are wrong"}
OTHERS = "both are right"  # where there are several right answers, and no more than that is known


def write(
    file: Path,
    answers: Answers,
    temperature: float | None,
    rows: NDArray[np.int64],
    columns: Mapping[str, Sequence[Any]],
) -> None:
    """Write one line a row on which both differ, negative flips first, then the most confident first.

    `rows` [N] are the rows' numbers, `columns` [N] what else there is to show of every row: line, text, columns.
    """
    kind, split, sure = answers.kind, answers.split, answers.student.confidences(temperature)
    flip = np.full(len(answers), "" if split.labels is None else OTHERS, object)
    if split.labels is not None:
        for name, flipped in vars(flips(answers.student.right, answers.teacher.right, answers.agree)).items():
            flip[flipped] = KINDS[name]
    table = pd.DataFrame(
        {
            "row": rows,
            "flip": flip,
            **({} if split.labels is None else {"label": kind.shown(split.labels, split)}),
            "teacher": kind.shown(answers.teacher.answers, split),
            "student": kind.shown(answers.student.answers, split),
            **({} if sure is None else {"confidence": sure.round(4)}),
            **columns,
        }
    )[~answers.agree]
    order = [*KINDS.values(), OTHERS, ""]
    by = [name for name in ("flip", "confidence") if name in table]
    table = table.sort_values(by, key=lambda of: of.map(order.index) if of.name == "flip" else -of, kind="stable")
    file.parent.mkdir(parents=True, exist_ok=True)
    table.map(spreadsheet_cell).to_csv(file, sep="\t", index=False, lineterminator="\n")
