"""Runs of one stage side by side: exactly the settings in which they differ, the best run first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinydistill.report.collected import Collected
from tinydistill.report.run import Run, best_first, flat_options

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
    """Runs of one stage, on one task where it has one: the settings that vary by name, with a value a run."""

    stage: str
    task: str | None
    runs: tuple[Run, ...]
    varying: dict[str, tuple[Any, ...]]


def sweeps(collected: Collected) -> list[Sweep]:
    """Every group of two runs or more whose settings differ."""
    groups: dict[tuple[str, ...], list[Run]] = {}
    for run in collected.of("general", "pretrain", "finetune", "task"):
        groups.setdefault((run.stage, run.task or "", run.figure.name, run.finetuned), []).append(run)
    ordered = {key: best_first(runs) for key, runs in groups.items()}
    found = [Sweep(key[0], key[1] or None, tuple(runs), varying(runs)) for key, runs in ordered.items()]
    return [sweep for sweep in found if sweep.varying]


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
        having = [part is None or _has(flat, part) for flat in flats]
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
    return found | {part: values for part, values in parts.items() if not _has(found, part)}


def _has(flat: Mapping[str, Any], part: str) -> bool:
    return any(key.startswith(f"{part}.") for key in flat)


def _part_that_some_lack(key: str, flats: Sequence[dict[str, Any]]) -> str | None:
    """The widest node above a setting that some of the runs are wholly without."""
    nodes = key.split(".")[:-1]
    parts = (".".join(nodes[: length + 1]) for length in range(len(nodes)))
    return next((part for part in parts if not all(_has(flat, part) for flat in flats)), None)
