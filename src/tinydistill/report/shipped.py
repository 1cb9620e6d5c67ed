"""What the export stage measured: a student in every runtime beside its teacher; and what kinds of models there are."""

from dataclasses import dataclass
from typing import Any

from tinydistill.export.exported import PYTORCH
from tinydistill.export.size import PARTS
from tinydistill.report.run import Run

TEACHER, BASELINE, STUDENT, OTHER = "teacher", "student, not distilled", "student, distilled", "model"
KINDS = {"teacher": TEACHER, "not distilled": BASELINE, "student": STUDENT}  # what an export calls them


@dataclass(frozen=True)
class Shipped:
    """A model of a task in one runtime, as the export stage measured it beside others."""

    kind: str
    runtime: str
    score: float | None
    equal: float | None
    parameters: int
    bytes: int
    latency_ms: float | None
    speedup: float | None


def timed(export: Run) -> dict[str, Any]:
    """The combination that one user waits for: fewest threads and rows, the longest text."""
    rows = export.result.get("latency") or []
    return min(rows, key=lambda row: (row["threads"], row["batch_size"], -row["length"]), default={})


def timed_as(export: Run) -> str:
    """What an export's latencies are of, in words."""
    if not (row := timed(export)):
        return ""
    rows, threads = (
        f"{row[name]} {word}{'s' * (row[name] > 1)}" for name, word in (("batch_size", "row"), ("threads", "thread"))
    )
    return f"{rows} of {row['length']} tokens, {threads}"


def shipped(export: Run) -> list[Shipped]:
    """An exported student in each runtime, its teacher in PyTorch first where it was measured."""
    latency, result = timed(export).get("latency", {}), export.result
    sizes = {row["model"]: row for row in result["sizes"]}
    base = latency.get(f"teacher, {PYTORCH}", {}).get("median")

    def one(model: str, runtime: str, score: float | None, equal: float | None) -> Shipped:
        ms, size = latency.get(f"{model}, {runtime}", {}).get("median"), sizes[model]
        whole = sum(size[part] for part in PARTS)
        faster = base / ms if base and ms else None
        return Shipped(KINDS[model], runtime, score, equal, whole, size["bytes"][runtime], ms, faster)

    teacher = [one("teacher", PYTORCH, result["scores"].get("teacher"), None)] if "teacher" in sizes else []
    return teacher + [
        one("student", row["name"], row["score"], row["equal"] if row["equal"] is not None else row["correlation"])
        for row in result["checks"]
    ]
