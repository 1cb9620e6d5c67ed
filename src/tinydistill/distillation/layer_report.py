"""How well every layer is imitated: as rows of a report, and as the tables that stages print."""

from typing import Any

from tinydistill.console import say, table
from tinydistill.distillation.layer_distiller import unexplained
from tinydistill.distillation.objective import Objective
from tinydistill.distillation.teacher_statistics import TeacherStatistics
from tinydistill.initialization.linear_algebra import subspace_floor


def show_mapping(objective: Objective) -> None:
    """Print which student layer learns from which of the teacher's."""
    pairs = sorted({term.layers for term in objective.terms})
    table("mapping", ("student", "learns from teacher"), [(_layer(m), _layer(n)) for m, n in pairs])


def _layer(number: int) -> str:
    return f"layer {number}" if number else "embeddings"


def layer_rows(
    objective: Objective,
    statistics: TeacherStatistics,
    before: dict[str, float],
    after: dict[str, float],
    width: int,
) -> list[dict[str, Any]]:
    """One row a term: the raw loss, and the unexplained variance before and after beside its floor."""
    first, last = unexplained(before), unexplained(after)
    squared_states = {term.name for term in objective.of("hidden") if term.name in last}
    return [
        {
            "loss": term.loss,
            "student_layer": term.student_layer,
            "teacher_layer": term.teacher_layer,
            "raw": after[f"heldout/raw/{term.name}"],
            "raw_before": before[f"heldout/raw/{term.name}"],
            "unexplained_before": first.get(term.name),
            "unexplained": last.get(term.name),
            "floor": subspace_floor(statistics.hidden[term.teacher_layer], width)
            if term.name in squared_states
            else None,
        }
        for term in objective.terms
    ]


def show_layers(layers: list[dict[str, Any]]) -> None:
    """Print how well every layer is imitated on held-out text."""
    rows = [
        (
            f"{row['loss']} {row['student_layer']} <- {row['teacher_layer']}",
            row["raw"],
            *("-" if row[key] is None else row[key] for key in ("unexplained_before", "unexplained", "floor")),
        )
        for row in layers
    ]
    say()
    table(
        "held-out text: unexplained variance (1 is guessing the mean, 0 a perfect copy)",
        ("loss, student <- teacher layer", "raw loss", "before", "after", "floor"),
        rows,
    )
