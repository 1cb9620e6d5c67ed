"""The tables that a report is printed with: models of each task, and how far apart they are."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tinydistill.console import say, table
from tinydistill.export.markdown import cell
from tinydistill.report.bootstrap import Estimate
from tinydistill.report.evidence import DEVIATION, PERCENT, caption, ends, figures
from tinydistill.report.scores import TaskScores


def summary(tasks: Sequence[TaskScores]) -> dict[str, Any]:
    """What a report's result.json says of models and differences; a line are models that differ in their seed alone."""
    models = [
        {
            "task": task.title,
            "metric": task.metric,
            "model": model.kind,
            "artifacts": [run.name for run in model.members],
            "seeds": model.seeds,
            "score": model.score,
            "deviation": model.deviation,
            "interval": None if model.interval is None else asdict(model.interval),
            "retention": model.retention,
        }
        for task in tasks
        for model in task.models
    ]
    differences = [
        {
            "task": task.title,
            "metric": task.metric,
            "model": one.model.kind,
            "artifacts": [run.name for run in one.model.members],
            "against": one.against,
            "seeds": one.seeds,
            "rows": one.rows,
            "difference": asdict(one.score),
            "share": asdict(one.share),
        }
        for task in tasks
        for one in task.differences
    ]
    return {"models": models, "differences": differences}


def show(result: dict[str, Any]) -> None:
    """Print both tables as far as there is something to print."""
    models, differences = result.get("models", []), result.get("differences", [])
    if models:
        table(
            "scores",
            ("task", "model", "score", "±", "seeds", "95% interval", "of teacher"),
            [
                (
                    _of_task(row),
                    row["model"],
                    row["score"],
                    row["deviation"],
                    row["seeds"],
                    ends(row["interval"] and Estimate(**row["interval"])),
                    cell(row["retention"], PERCENT),
                )
                for row in models
            ],
            words=2,
        )
    if differences:
        rows = []
        for row in differences:
            cells = figures(Estimate(**row["difference"]), Estimate(**row["share"]))
            rows.append((_of_task(row), f"{row['model']}, against {row['against']}", *cells))
        table("differences", ("task", "models", "difference", "95% interval", "share", "95% interval"), rows, words=2)
    if known := [row["seeds"] for row in models if row["interval"]]:
        say(caption(known))
    if any(row["seeds"] > 1 for row in models):
        say(DEVIATION)


def _of_task(row: dict[str, Any]) -> str:
    return f"{row['task']} {row['metric'].rpartition('/')[2]}"
