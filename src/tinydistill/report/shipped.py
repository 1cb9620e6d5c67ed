"""What stage=export measured: a student in every runtime beside its teacher; and what kinds of models are called."""

from dataclasses import dataclass
from typing import Any

from tinydistill.export.exported import PYTORCH
from tinydistill.report.collected import Run

TEACHER, BASELINE, STUDENT, OTHER = "teacher", "student, not distilled", "student, distilled", "model"
KINDS = {"teacher": TEACHER, "not distilled": BASELINE, "student": STUDENT}  # what an export calls them


@dataclass(frozen=True)
class Shipped:
    """A model of a task in one runtime, as stage=export measured it beside others."""

    kind: str
    runtime: str
    score: float | None
    equal: float | None
    bytes: int
    latency_ms: float | None
    speedup: float | None


def timed(export: Run) -> dict[str, Any]:
    """The combination that one user waits for: fewest threads and rows, the longest text."""
    rows = export.result.get("latency") or []
    return min(rows, key=lambda row: (row["threads"], row["batch_size"], -row["length"]), default={})


def shipped(export: Run) -> list[Shipped]:
    """An exported student in each runtime, its teacher in PyTorch first where it was measured."""
    latency, result = timed(export).get("latency", {}), export.result
    sizes = {row["model"]: row["bytes"] for row in result["sizes"]}
    base = latency.get(f"teacher, {PYTORCH}", {}).get("median")

    def one(model: str, runtime: str, score: float | None, equal: float | None) -> Shipped:
        ms = latency.get(f"{model}, {runtime}", {}).get("median")
        faster = base / ms if base and ms else None
        return Shipped(KINDS[model], runtime, score, equal, sizes[model][runtime], ms, faster)

    teacher = [one("teacher", PYTORCH, result["scores"].get("teacher"), None)] if "teacher" in sizes else []
    return teacher + [
        one("student", row["name"], row["score"], row["equal"] if row["equal"] is not None else row["correlation"])
        for row in result["checks"]
    ]


def timed_as(export: Run) -> str:
    """What an export's latencies are of, in words."""
    row = timed(export)
    if not row:
        return ""
    rows, threads = (f"{row[name]} {word}{'s' * (row[name] > 1)}" for name, word in _COUNTED)
    return f"{rows} of {row['length']} word pieces, {threads}"


_COUNTED = (("batch_size", "row"), ("threads", "thread"))
