"""Runs of one stage side by side: exactly the settings in which they differ, the best run first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tinydistill.report.collected import Collected
from tinydistill.report.comparison import mean
from tinydistill.report.evidence import Difference, between, predictions
from tinydistill.report.run import Figure, Run, best_first, flat_options
from tinydistill.report.seeds import grouped
from tinydistill.report.shipped import Model

_ABSENT = object()
_NAMED = {  # where the configuration says what is known by a hash alone
    "teacher": (("teacher", "path"),),
    "model": (("teacher", "path"), ("student", "path")),
    "student": (("student", "path"),),
    "augmentation": (("augmentation", "path"),),
    "corpus": (("corpus", "paths"), ("corpus", "name")),
    "task": (("task", "source", "train"), ("task", "train_share")),
}


@dataclass(frozen=True)
class Sweep:
    """Runs of one stage, on one task where it has one: the settings that vary by name, with a value a line.

    A line are runs that differ in their seed alone. `differences` say how far each line is from the `reference`, which
    is the whole recipe of an ablation, or else the first job.
    """

    stage: str
    task: str | None
    lines: tuple[tuple[Run, ...], ...]
    varying: dict[str, tuple[Any, ...]]
    reference: Run
    differences: tuple[Difference | None, ...]

    @property
    def runs(self) -> tuple[Run, ...]:
        """The first of each line."""
        return tuple(line[0] for line in self.lines)

    @property
    def seeds(self) -> int:
        """The most seeds that a line has."""
        return max(map(len, self.lines))


def sweeps(collected: Collected) -> list[Sweep]:
    """Every group of two runs or more whose settings differ, or with other figures than scores, whose seeds do."""
    groups: dict[tuple[str, ...], list[Run]] = {}
    for run in collected.of("general", "pretrain", "finetune", "task"):
        groups.setdefault((run.stage, run.task or "", run.figure.name, run.finetuned), []).append(run)
    found = [_sweep(stage, task or None, runs) for (stage, task, *_), runs in groups.items()]
    return [sweep for sweep in found if sweep.varying or (sweep.task is None and sweep.seeds > 1)]


def figure(line: Sequence[Run]) -> Figure:
    """The mean of a line's figures."""
    return replace(line[0].figure, value=mean([run.figure.value for run in line]))


def _sweep(stage: str, task: str | None, runs: Sequence[Run]) -> Sweep:
    lines = grouped(best_first(runs), lambda run: run, lambda _: stage)
    lines.sort(key=lambda line: figure(line).rank)
    reference = min(lines, key=lambda line: _job_order(line[0]))
    differ = tuple(None if line is reference else _difference(line, reference) for line in lines)
    return Sweep(stage, task, tuple(map(tuple, lines)), varying([line[0] for line in lines]), reference[0], differ)


def _job_order(run: Run) -> tuple[Any, ...]:
    full = "ablation=full" in run.job.get("overrides", ())
    return not full, run.job.get("number", 0), str(run.provenance.get("finished", ""))


def _difference(line: Sequence[Run], reference: Sequence[Run]) -> Difference | None:
    metric = line[0].monitor
    if metric is None:
        return None
    model = Model("", line[0], runs=tuple(line))
    return between(model, reference[0].name, metric, predictions(reference, metric))


def varying(runs: Sequence[Run]) -> dict[str, tuple[Any, ...]]:
    """The settings in which runs differ, and each run's value; - where a run doesn't have that setting.

    A part that some runs went without, as a phase, is one difference and not one for each of its options, unless the
    others differ in them.
    """
    flats = [run.choices for run in runs]
    typed = [flat_options(run.configuration) for run in runs]
    found: dict[str, tuple[Any, ...]] = {}
    parts: dict[str, tuple[str, ...]] = {}
    for key in dict.fromkeys(key for flat in flats for key in flat):
        part = _part_that_some_lack(key, flats)
        having = [part is None or _has_part(flat, part) for flat in flats]
        values = [flat.get(key, _ABSENT) for flat in flats]
        there = [value for value, has in zip(values, having, strict=True) if has]
        if any(value != there[0] for value in there):
            names = map(".".join, _NAMED.get(key, ()))
            options = {name: tuple(one.get(name) for one in typed) for name in names}
            name = next((name for name, of in options.items() if any(one != of[0] for one in of)), None)
            if name is None:
                found[key] = tuple("-" if value is _ABSENT else value for value in values)
            else:
                found[name] = options[name]
        elif part is not None:
            parts[part] = tuple("yes" if has else "no" for has in having)
    return found | {part: values for part, values in parts.items() if not _has_part(found, part)}


def _has_part(flat: Mapping[str, Any], part: str) -> bool:
    return any(key.startswith(f"{part}.") for key in flat)


def _part_that_some_lack(key: str, flats: Sequence[dict[str, Any]]) -> str | None:
    """The widest node above a setting that some of the runs are wholly without."""
    nodes = key.split(".")[:-1]
    parts = (".".join(nodes[: length + 1]) for length in range(len(nodes)))
    return next((part for part in parts if not all(_has_part(flat, part) for flat in flats)), None)
