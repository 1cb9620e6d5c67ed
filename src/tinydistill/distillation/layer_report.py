"""How well every layer is imitated: as rows of a report, and as the tables that stages print."""

from typing import Any

from tinydistill.console import say, table
from tinydistill.distillation.layer_distiller import unexplained
from tinydistill.distillation.objective import Objective
from tinydistill.distillation.teacher_statistics import TeacherStatistics, subspace_floor


def show_mapping(objective: Objective) -> None:
    """Prints which student layer learns from which of the teacher's."""
    rows = [("embeddings", "embeddings")] if objective.weights.embedding else []
    rows += [(f"layer {m}", f"layer {n}") for m, n in objective.pairs]
    table("mapping", ("student", "learns from teacher"), rows)


def layer_rows(
    objective: Objective, moments: TeacherStatistics, before: dict[str, float], after: dict[str, float], width: int
) -> list[dict[str, Any]]:
    """One row a term: the raw loss, and the unexplained variance before and after beside its floor."""
    first, last = unexplained(before), unexplained(after)
    rows = []
    for name, m, n in objective.states + objective.scores:
        term = f"{name}/{m}"
        floor = subspace_floor(moments.hidden[n], width) if name in ("embedding", "hidden") else None
        rows.append(
            {
                "loss": name,
                "student_layer": m,
                "teacher_layer": n,
                "raw": after[f"heldout/raw/{term}"],
                "raw_before": before[f"heldout/raw/{term}"],
                "unexplained_before": first.get(term),
                "unexplained": last.get(term),
                "floor": floor,
            }
        )
    return rows


def show_layers(layers: list[dict[str, Any]]) -> None:
    """Prints how well every layer is imitated on held-out text."""
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
