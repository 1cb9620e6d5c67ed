"""Runs of one stage side by side: exactly the settings in which they differ, the best run first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tinydistill.config import flatten
from tinydistill.reporting.collected import Collected, Run

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
    """The settings in which runs differ, and each run's value; - where a run doesn't have that setting."""
    flats = [flatten(run.settings) for run in runs]
    named = [flatten(run.configuration) for run in runs]
    keys = list(dict.fromkeys(key for flat in flats for key in flat))
    found: dict[str, tuple[Any, ...]] = {}
    for key in keys:
        values = [flat.get(key, _ABSENT) for flat in flats]
        if all(value == values[0] for value in values):
            continue
        parent, missing = _missing_parent(key, flats)
        if missing:  # a phase that some of them went without is one difference, not one for each of its options
            found[parent] = tuple("no" if parent in _missing(flat, parent) else "yes" for flat in flats)
            continue
        options = [one.get(_NAMED.get(key, "")) for one in named]
        if any(option != options[0] for option in options):
            found[_NAMED[key]] = tuple(options)
        else:
            found[key.removeprefix("phases.")] = tuple("-" if value is _ABSENT else value for value in values)
    return found


def _missing(flat: dict[str, Any], node: str) -> tuple[str, ...]:
    return () if any(key.startswith(f"{node}.") for key in flat) else (node,)


def _missing_parent(key: str, flats: Sequence[dict[str, Any]]) -> tuple[str, bool]:
    """The widest node above a setting that some of the runs are wholly without."""
    parts = key.split(".")
    for length in range(1, len(parts)):
        node = ".".join(parts[:length])
        if any(_missing(flat, node) for flat in flats):
            return node, True
    return key, False
