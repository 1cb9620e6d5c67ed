"""Runs of one stage side by side: exactly the settings in which they differ, the best run first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinydistill.config.compose import flatten
from tinydistill.report.collected import Collected, Run

_ABSENT = object()
# What settings know by a hash or a long description alone, and the options that name it.
_NAMED = {
    "teacher": "teacher.path",
    "weights": "teacher.path",
    "student": "student.path",
    "augmentation": "augmentation.path",
    "corpus": "corpus.paths",
    "task.rows": "task.train",
}


@dataclass(frozen=True)
class Figure:
    """A number that runs are sorted by."""

    name: str
    value: float | None
    higher_is_better: bool = True

    @property
    def rank(self) -> tuple[bool, float]:
        """Smaller for the better; runs without the number come last."""
        value = self.value or 0.0
        return self.value is None, -value if self.higher_is_better else value


@dataclass(frozen=True)
class Sweep:
    """Runs of one stage, on one task where it has one: the settings that vary by name, with a value a run."""

    stage: str
    task: str | None
    runs: tuple[Run, ...]
    varying: dict[str, tuple[Any, ...]]

    @property
    def figure(self) -> str:
        """The name of the number that they are sorted by."""
        return figure(self.runs[0]).name


def figure(run: Run) -> Figure:
    """What says how good a run is: the task's score, or how well every layer is imitated, or the held-out loss.

    The mean unexplained variance can be compared between objectives, whose losses can't.
    """
    result = run.result
    if result.get("score") is not None:
        return Figure(str(result["monitor"]), float(result["score"]))
    unexplained = [row["unexplained"] for row in result.get("layers", ()) if row.get("unexplained") is not None]
    if unexplained:
        return Figure("mean unexplained variance", sum(unexplained) / len(unexplained), higher_is_better=False)
    loss = result.get("heldout_loss")
    return Figure("held-out loss", None if loss is None else float(loss), higher_is_better=False)


def sweeps(collected: Collected) -> list[Sweep]:
    """Every group of two runs or more whose settings differ."""
    groups: dict[tuple[str, ...], list[Run]] = {}
    for run in collected.of("general", "pretrain", "finetune", "task"):
        model = run.configuration["finetune"]["model"] if run.stage == "finetune" else ""
        groups.setdefault((run.stage, run.task or "", figure(run).name, model), []).append(run)
    found = []
    for (stage, task, _, _), runs in groups.items():
        best_first = sorted(runs, key=lambda run: figure(run).rank)
        different = varying(best_first)
        if different:
            found.append(Sweep(stage, task or None, tuple(best_first), different))
    return found


def varying(runs: Sequence[Run]) -> dict[str, tuple[Any, ...]]:
    """The settings in which runs differ, and each run's value; - where a run doesn't have that setting.

    A part that some runs went without, as a phase, is one difference and not one for each of its options, unless the
    others differ in them.
    """
    flats = [flatten(run.settings) for run in runs]
    named = [flatten(run.configuration) for run in runs]
    found: dict[str, tuple[Any, ...]] = {}
    parts: dict[str, tuple[str, ...]] = {}
    for key in dict.fromkeys(key for flat in flats for key in flat):
        part = _part_that_some_lack(key, flats)
        having = [part is None or _has(flat, part) for flat in flats]
        values = [flat.get(key, _ABSENT) for flat in flats]
        there = [value for value, has in zip(values, having, strict=True) if has]
        if all(value == there[0] for value in there):
            if part is not None:
                parts[part] = tuple("yes" if has else "no" for has in having)
            continue
        options = [one.get(_NAMED.get(key, "")) for one in named]
        if any(option != options[0] for option in options):
            found[_NAMED[key]] = tuple(options)
        else:
            found[key] = tuple("-" if value is _ABSENT else value for value in values)
    found |= {part: values for part, values in parts.items() if not _has(found, part)}
    return {key.removeprefix("phases.") if key not in parts else key: values for key, values in found.items()}


def _has(flat: Mapping[str, Any], part: str) -> bool:
    return any(key.startswith(f"{part}.") for key in flat)


def _part_that_some_lack(key: str, flats: Sequence[dict[str, Any]]) -> str | None:
    """The widest node above a setting that some of the runs are wholly without."""
    nodes = key.split(".")[:-1]
    parts = (".".join(nodes[: length + 1]) for length in range(len(nodes)))
    return next((part for part in parts if not all(_has(flat, part) for flat in flats)), None)
