"""The tables of a report, in Markdown."""

import re
from collections.abc import Sequence
from typing import Any

from tinydistill.artifacts.portable import without_home
from tinydistill.console import count
from tinydistill.escaping import for_markdown
from tinydistill.export.markdown import cell, code, table
from tinydistill.kinds.metrics import retention
from tinydistill.report.comparison import mean
from tinydistill.report.evidence import PERCENT, SIGNED, Difference, ends, figures
from tinydistill.report.run import Run
from tinydistill.report.scores import TaskScores
from tinydistill.report.seeds import deviation
from tinydistill.report.shipped import BASELINE, STUDENT, TEACHER, Model
from tinydistill.report.sweeps import Sweep, figure

_MANY = 4  # other metrics that a table has columns for
_TIMES = "{:.1f}x"


def of_task(task: TaskScores) -> str:
    """All models of a task."""
    others = list(dict.fromkeys(name for model in task.models for name in model.scores if name != task.metric))[:_MANY]
    timed = any(model.latency_ms is not None for model in task.models)
    several = any(model.seeds > 1 for model in task.models)
    known = any(model.interval is not None for model in task.models)
    sure = [*(["±", "seeds"] if several else []), *(["95% interval"] if known else [])]
    columns = ["", for_markdown(task.metric), *sure, "of teacher", *map(for_markdown, others), "parameters", "MB"]
    rows = [
        [
            f"**{model.kind}**" if model is task.best(STUDENT) else model.kind,
            cell(model.score),
            *([cell(model.deviation), str(model.seeds)] if several else []),
            *([ends(model.interval)] if known else []),
            cell(model.retention, PERCENT),
            *(cell(model.scores.get(name)) for name in others),
            "-" if model.parameters is None else count(model.parameters),
            cell(model.megabytes, "{:.1f}"),
            *([cell(model.latency_ms, "{:.1f}"), cell(model.speedup, _TIMES)] if timed else []),
            ", ".join(code(run.name) for run in model.members),
        ]
        for model in task.models
    ]
    return table([*columns, *(["ms", "faster"] if timed else []), "artifact"], rows, notes=1)


def of_differences(differences: Sequence[Difference]) -> str:
    """How much better models are than others on the same rows, and how much of the others' score they keep."""
    return table(
        ["", "against", "difference", "95% interval", "share of it", "95% interval", "seeds", "artifact"],
        [
            [
                one.model.kind,
                one.against,
                *figures(one.score, one.share),
                str(one.seeds),
                ", ".join(code(run.name) for run in one.model.members),
            ]
            for one in differences
        ],
        words=2,
        notes=1,
    )


def of_all(tasks: Sequence[TaskScores]) -> str:
    """One row a task: its teacher, its baseline, and its best student; their means where all tasks have them."""
    rows, scores = [], []
    for task in tasks:
        best = [task.best(kind) for kind in (TEACHER, BASELINE, STUDENT)]
        scores.append([None if model is None else model.score for model in best])
        kept = None if best[-1] is None else best[-1].retention
        rows.append([for_markdown(task.title), for_markdown(task.metric), *map(cell, scores[-1]), cell(kept, PERCENT)])
    means = [mean(column) for column in zip(*scores, strict=True)]
    if any(value is not None for value in means):
        rows.append(["**all**", "average", *map(cell, means), cell(retention(means[2], means[0]), PERCENT)])
    return table(["task", "metric", TEACHER, "not distilled", "distilled", "of teacher"], rows, words=2)


def of_shipped(rows: Sequence[Model]) -> str:
    """A model in the runtimes that it was exported for."""
    return table(
        ["", "runtime", "score", "as PyTorch", "MB", "ms", "faster"],
        [
            [
                row.kind,
                for_markdown(row.runtime),
                cell(row.score),
                cell(row.equal, "{:.1%}"),
                cell(row.megabytes, "{:.1f}"),
                cell(row.latency_ms, "{:.2f}"),
                cell(row.speedup, _TIMES),
            ]
            for row in rows
        ],
        words=2,
    )


def of_sweep(sweep: Sweep, models: Sequence[Model]) -> str:
    """Exactly the settings that vary, the best run first."""
    retained = {run.path: model.retention for model in models for run in model.members}
    known = sweep.stage == "task" and any(line[0].path in retained for line in sweep.lines)
    compared, several = any(sweep.differences), sweep.seeds > 1
    columns = ["", for_markdown(sweep.runs[0].figure.name), *(["±", "seeds"] if several else [])]
    columns += ["of teacher"] if known else []
    columns += ["difference", "95% interval"] if compared else []
    rows = []
    for i, (line, difference) in enumerate(zip(sweep.lines, sweep.differences, strict=True)):
        value = cell(figure(line).value)
        row = [str(i + 1), f"**{value}**" if i == 0 else value]
        row += [cell(deviation([run.figure.value for run in line])), str(len(line))] if several else []
        row += [cell(retained.get(line[0].path), PERCENT)] if known else []
        if compared:
            row += [cell(difference.score.value, SIGNED), ends(difference.score, SIGNED)] if difference else ["-", "-"]
        row += [for_markdown(shown(values[i])) for values in sweep.varying.values()]
        rows.append([*row, ", ".join(code(run.name) for run in line)])
    columns += [*map(code, sweep.varying), "artifact"]
    return table(columns, rows, notes=1 + len(sweep.varying))


def of_records(runs: Sequence[Run]) -> str:
    """The command that made each artifact, and when."""
    rows = [
        [
            code(run.name),
            for_markdown(run.stage),
            for_markdown(str(run.provenance.get("finished", "-"))[:16]).replace("T", "\u00a0"),
            code(without_home(f"tinydistill {run.provenance.get('command', '')}".strip())),
        ]
        for run in sorted(runs, key=lambda run: str(run.provenance.get("finished", "")))
    ]
    return table(["artifact", "stage", "finished (UTC)", "command"], rows, words=4)


def versions(runs: Sequence[Run]) -> str:
    """With which versions on which machine, one line for each combination."""
    made: dict[str, list[Run]] = {}
    for run in runs:
        said = ", ".join(f"{name} {version}" for name, version in run.provenance.get("versions", {}).items())
        machine = run.provenance.get("machine", {})
        said += f"; {machine['system']}, {machine['cores']} cores" if machine else ""
        made.setdefault(said, []).append(run)
    if len(made) == 1:
        return f"All of them with {for_markdown(next(iter(made)))}."
    return "\n".join(f"- {for_markdown(said)}: {', '.join(code(run.name) for run in of)}" for said, of in made.items())


def shown(value: Any) -> str:
    """The value of a setting: hashes shortened, long paths by their end."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return f"[{','.join(map(shown, value))}]"
    text = str(value)
    if re.fullmatch(r"(files |hub )?[0-9a-f]{16,64}", text):
        return text.rpartition(" ")[2][:8]
    return text if len(text) <= 40 else f"…{text[-38:]}"
