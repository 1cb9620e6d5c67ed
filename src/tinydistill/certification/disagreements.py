"""The rows that a student answers otherwise than its teacher, as a table for people.

N: rows.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tinydistill.certification.calibration import confidences
from tinydistill.certification.certificate import Answers
from tinydistill.certification.loyalty import flips
from tinydistill.escaping import for_spreadsheet

KINDS = {"negative": "teacher alone is right", "positive": "student alone is right", "both_wrong": "both are wrong"}


def write(
    file: Path,
    answers: Answers,
    labels: Sequence[str],
    temperature: float,
    rows: NDArray[np.int64],
    columns: Mapping[str, Sequence[Any]],
) -> None:
    """Write one line a row on which both differ, negative flips first, then the most confident first.

    `rows` [N] are the rows' numbers, `columns` [N] what else there is to show of every row: line, text, columns.
    """
    ours, theirs = answers.student.argmax(-1), answers.teacher.argmax(-1)
    kind = np.full(len(answers), "", object)
    if answers.labels is not None:
        for name, flipped in vars(flips(ours, theirs, answers.labels)).items():
            kind[flipped] = KINDS[name]
    names = np.asarray(labels, object)
    table = pd.DataFrame(
        {
            "row": rows,
            "flip": kind,
            **({} if answers.labels is None else {"label": names[answers.labels]}),
            "teacher": names[theirs],
            "student": names[ours],
            "confidence": confidences(answers.student, temperature).round(4),
            **columns,
        }
    )[~answers.agree]
    order = {said: place for place, said in enumerate([*KINDS.values(), ""])}
    table = table.sort_values(["flip", "confidence"], key=lambda of: of.map(order) if of.name == "flip" else -of)
    file.parent.mkdir(parents=True, exist_ok=True)
    table.map(lambda value: for_spreadsheet(value) if isinstance(value, str) else value).to_csv(
        file, sep="\t", index=False, lineterminator="\n"
    )
