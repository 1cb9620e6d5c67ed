"""Recall by class of the best models of a task, and which class is taken for which."""

from collections.abc import Sequence

import numpy as np

from tinydistill.escaping import for_markdown
from tinydistill.export.markdown import cell, table
from tinydistill.kinds.confusion import Confusion
from tinydistill.report.evidence import seen
from tinydistill.report.scores import TaskScores
from tinydistill.report.shipped import BASELINE, STUDENT, TEACHER, Model

MATRIX = 10  # classes, up to which the whole matrix is shown
SHOWN = 20  # classes in a table: of more those that the student loses most of


def of_classes(task: TaskScores) -> str:
    """Recall by class of the best teacher, baseline and student, and what the student takes for what."""
    best = [model for kind in (TEACHER, BASELINE, STUDENT) if (model := task.best(kind)) is not None]
    known = {model.kind: found for model in best if (found := _confusion(model, task.metric)) is not None}
    if not known:
        return ""
    student = known.get(STUDENT)
    parts = [_recall(known)]
    if student is not None and len(student.names) <= MATRIX:
        said = "Rows of the classes on the left that the distilled student takes for those above:"
        parts.append(f"{said}\n\n{_matrix(student)}")
    for kind, found in known.items():
        if (warning := found.warning()) is not None:
            parts.append(f"**{kind}: {for_markdown(warning)}.**")
    return "\n\n".join(parts)


def _recall(known: dict[str, Confusion]) -> str:
    first = next(iter(known.values()))
    lost = known[STUDENT].recall - first.recall if STUDENT in known else first.recall
    order: Sequence[int] = range(len(first.names))
    if len(order) > SHOWN:
        order = sorted(np.argsort(lost)[:SHOWN].tolist())
    rows = [
        [for_markdown(first.names[i]), f"{first.rows[i]:,}", *(_share(found.recall[i]) for found in known.values())]
        for i in order
    ]
    total = [f"{first.rows.sum():,}", *(cell(found.macro_f1) for found in known.values())]
    said = table(["recall of", "rows", *known], [*rows, ["**macro F1**", *total]])
    left = len(first.names) - len(order)
    return f"{said}\n\n*The {SHOWN} classes that the student loses most of; {left} aren't shown.*" if left else said


def _matrix(found: Confusion) -> str:
    names = [for_markdown(name) for name in found.names]
    return table(["", *names], [[name, *map(str, row)] for name, row in zip(names, found.counts.tolist(), strict=True)])


def _confusion(model: Model, metric: str) -> Confusion | None:
    """That of its seeds together."""
    by_seed = seen(model, metric)
    found = [one for predictions in (by_seed or {}).values() if (one := predictions.confusion) is not None]
    return Confusion(found[0].names, sum((one.counts for one in found[1:]), found[0].counts)) if found else None


def _share(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3f}"
