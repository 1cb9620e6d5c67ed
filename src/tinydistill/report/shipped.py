"""A model of a task as a report shows it; of an export's models one in every runtime."""

from dataclasses import dataclass, field
from typing import Any

from tinydistill.export.exported import PYTORCH, for_one_user
from tinydistill.export.size import whole
from tinydistill.report.bootstrap import Estimate
from tinydistill.report.run import Run, Scores

TEACHER, BASELINE, STUDENT, OTHER = "teacher", "student, not distilled", "student, distilled", "model"
UNTRAINED = "student, no training"  # the student of the task before its first step
KINDS = {"teacher": TEACHER, "not distilled": BASELINE, "student": STUDENT}  # what an export calls them


@dataclass(frozen=True)
class Model:
    """One model of a task, in a runtime. `run` is None where what is known of it comes from another's record.

    Of models that differ in their seed alone the figures are means and `run` is the first of `runs`; `deviation` is the
    sample standard deviation of their scores. `taught` are students of a teacher, or what became of one that is shown
    as it was before training, a student a seed; `interval` is that of the score.

    Latency is the median for one row, fp32 (but in ONNX int8), one thread; `speedup` is over the teacher in the same
    run, `equal` the share of answers that are those of PyTorch, or their correlation.
    """

    kind: str
    run: Run | None = None
    score: float | None = None
    retention: float | None = None
    scores: Scores = field(default_factory=dict)
    parameters: int | None = None
    bytes: int | None = None
    latency_ms: float | None = None
    speedup: float | None = None
    runtime: str = PYTORCH
    equal: float | None = None
    seeds: int = 1
    deviation: float | None = None
    interval: Estimate | None = None
    runs: tuple[Run, ...] = ()
    taught: tuple[Run, ...] = ()

    @property
    def members(self) -> tuple[Run, ...]:
        """The runs that it stands for: one a seed."""
        return self.runs or (() if self.run is None else (self.run,))

    @property
    def name(self) -> str:
        """What tells it from others of its kind."""
        return "" if self.run is None else self.run.name

    @property
    def megabytes(self) -> float | None:
        """Of its weights."""
        return None if self.bytes is None else self.bytes / 1e6


def timed(export: Run) -> dict[str, Any]:
    """The combination that one user waits for."""
    return for_one_user(export.result.get("latency") or [])


def timed_as(export: Run) -> str:
    """What an export's latencies are of, in words."""
    if not (row := timed(export)):
        return ""
    rows, threads = (
        f"{row[name]} {word}{'s' * (row[name] > 1)}" for name, word in (("batch_size", "row"), ("threads", "thread"))
    )
    return f"{rows} of {row['length']} tokens, {threads}"


def shipped(export: Run) -> list[Model]:
    """An exported student in each runtime, its teacher in PyTorch first where it was measured."""
    latency, result = timed(export).get("latency", {}), export.result
    sizes = {row["model"]: row for row in result["sizes"]}
    base = latency.get(f"teacher, {PYTORCH}", {}).get("median")

    def one(model: str, runtime: str, score: float | None, equal: float | None) -> Model:
        ms, size = latency.get(f"{model}, {runtime}", {}).get("median"), sizes[model]
        return Model(
            KINDS[model],
            score=score,
            parameters=whole(size),
            bytes=size["bytes"][runtime],
            latency_ms=ms,
            speedup=base / ms if base and ms else None,
            runtime=runtime,
            equal=equal,
        )

    teacher = [one("teacher", PYTORCH, result["scores"].get("teacher"), None)] if "teacher" in sizes else []
    return teacher + [
        one("student", row["name"], row["score"], row["equal"] if row["equal"] is not None else row["correlation"])
        for row in result["checks"]
    ]
