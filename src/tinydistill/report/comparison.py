"""Models of tasks side by side: how good, how small, how fast."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from tinydistill.console import count, say, table
from tinydistill.export.latency import latencies, torch_call
from tinydistill.export.markdown import cell
from tinydistill.export.size import tensor_bytes
from tinydistill.kinds.metrics import retention
from tinydistill.models import heads
from tinydistill.models import loading as models
from tinydistill.models.threads import use_threads
from tinydistill.report.bootstrap import Estimate
from tinydistill.report.evidence import interval
from tinydistill.training.prediction_files import read_predictions

Row = dict[str, Any]


@dataclass(frozen=True)
class Contender:
    """A model of a task: where it is, with which head, its score and predictions.

    It has no path where its answers alone are known, as those of soft labels.
    """

    name: str
    path: str | None
    revision: str | None
    head: heads.Head
    metric: str
    score: float | None
    predictions: Path | None = None  # its file of the rows that are scored


def compare(
    task: str,
    contenders: Sequence[Contender],
    length: int,
    seconds: float,
    known: Mapping[str, Mapping[str, float]] | None = None,
) -> list[Row]:
    """One row a model of a task; they are measured against the first, the teacher, and once where the shapes agree.

    Latency is the median time for one row of `length` tokens, in fp32 on one CPU thread, all models alternating.
    `known` are those of paths that were measured before, if all are.
    """
    loaded = {
        one.path: heads.load_with_head(one.path, one.head, revision=one.revision) for one in contenders if one.path
    }
    shapes = {path: _shape(model) for path, model in loaded.items()}
    timed: Mapping[str, Mapping[str, float]] = {shapes[path]: latency for path, latency in (known or {}).items()}
    if not timed.keys() >= set(shapes.values()):
        calls = {shapes[path]: torch_call(model, 1, length) for path, model in loaded.items()}
        with use_threads(1):
            timed = latencies(calls, seconds=seconds)
    first = contenders[0]

    def measured(path: str | None) -> Row:
        if path is None:
            return {}
        latency = timed[shapes[path]]
        speedup = timed[shapes[first.path]]["median"] / latency["median"] if first.path else None
        return {
            "parameters": models.parameters(loaded[path]),
            "bytes": tensor_bytes(loaded[path]),
            "latency_ms": latency["median"],
            "latency_p95_ms": latency["p95"],
            "speedup": speedup,
        }

    return [
        {
            "task": task,
            "model": one.name,
            "path": one.path,
            "metric": one.metric,
            "score": one.score,
            **_by_row(one),
            "retention": retention(one.score, first.score),
            **measured(one.path),
        }
        for one in contenders
    ]


def _shape(model: PreTrainedModel) -> str:
    """What its latency depends on: equal for models of the same layers and sizes."""
    return f"{type(model).__name__} {[tuple(weight.shape) for weight in model.parameters()]}"


def _by_row(one: Contender) -> Row:
    """From its predictions: the 95% interval of its score, rows resampled, and the classes that it never predicts."""
    found = None if one.predictions is None else read_predictions(one.predictions)
    if found is None:
        return {"interval": None, "never": None}
    ends = interval(one.metric, found)
    return {
        "interval": None if ends is None or ends.low is None or ends.high is None else [ends.low, ends.high],
        "never": None if found.confusion is None else found.confusion.warning(),
    }


def averages(rows: Sequence[Row]) -> list[Row]:
    """One row a kind of model: its mean score over the tasks, and that beside the first kind's."""
    kinds = dict.fromkeys(row["model"] for row in rows)
    means = {kind: mean([row["score"] for row in rows if row["model"] == kind]) for kind in kinds}
    first = next(iter(means.values()))
    return [
        {"task": "all", "metric": "average", "model": model, "score": score, "retention": retention(score, first)}
        for model, score in means.items()
    ]


def mean(scores: Sequence[float | None]) -> float | None:
    """Their mean; None where one is missing."""
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if len(known) == len(scores) else None


def show(rows: Sequence[Row], length: int) -> None:
    """The table a pipeline ends with, of at most a hundred columns."""
    table(
        "results",
        ("task", "model", "score ±", "of teacher", "params", "MB", "ms", "faster"),
        [
            (
                f"{row['task']} {row['metric'].rpartition('/')[2]}",
                row["model"].removeprefix("student, "),
                _score(row),
                cell(row["retention"], "{:.1f}%"),
                *(_measured(row) if "bytes" in row else [""] * 4),
            )
            for row in rows
        ],
        words=2,
    )
    for row in rows:
        if row.get("never"):
            say(f"{row['task']}: the {row['model']} {row['never']}")
    say("±: half of a 95% bootstrap interval, rows resampled; one seed")
    say(f"ms: the median for one row of {length} tokens, fp32, one CPU thread, all models measured in alternation")


def _score(row: Row) -> str:
    half = Estimate(row["score"], *(row.get("interval") or ())).half
    return cell(row["score"]) + (" " * 7 if half is None else f" ±{half:.3f}")


def _measured(row: Row) -> list[str]:
    size, time = f"{row['bytes'] / 1e6:.1f}", f"{row['latency_ms']:.1f}"
    return [count(row["parameters"]), size, time, cell(row["speedup"], "{:.1f}x")]
