"""Runs and models that differ in their seed alone, as one: in groups, with a mean and a deviation."""

import statistics
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import TypeVar

from tinydistill.report.comparison import mean
from tinydistill.report.run import Run
from tinydistill.report.shipped import Model

T = TypeVar("T")


def grouped(items: Sequence[T], run_of: Callable[[T], Run | None], kind_of: Callable[[T], Hashable]) -> list[list[T]]:
    """Groups of one kind whose runs differ in their seed alone, by rising seed; in the order of their first items.

    A seed is in a group but once: runs that are made twice are not taken for evidence.
    """
    found: list[dict[int, T]] = []
    alike: dict[Hashable, list[dict[int, T]]] = {}
    for item in items:
        run = run_of(item)
        seed = None if run is None else run.seed
        if run is None or seed is None:
            found.append({0: item})
            continue
        groups = alike.setdefault((kind_of(item), run.recipe), [])
        group = next((one for one in groups if seed not in one), None)
        if group is None:
            group = {}
            groups.append(group)
            found.append(group)
        group[seed] = item
    return [[group[seed] for seed in sorted(group)] for group in found]


def merged(models: Sequence[Model]) -> list[Model]:
    """The models of a task, those that differ in their seed alone as one with the means of their figures."""
    groups = grouped(models, _run_of, lambda model: model.kind)
    return [group[0] if len(group) == 1 else _one(group) for group in groups]


def deviation(values: Sequence[float | None]) -> float | None:
    """The sample standard deviation; None of less than two values, or where one is missing."""
    known = [value for value in values if value is not None]
    return statistics.stdev(known) if len(known) == len(values) > 1 else None


def _run_of(model: Model) -> Run | None:
    """A teacher that is no artifact here goes by its student."""
    return model.run or next(iter(model.taught), None)


def _one(models: Sequence[Model]) -> Model:
    scores = [model.score for model in models]
    return replace(
        models[0],
        runs=tuple(run for model in models for run in model.members),
        taught=tuple(run for model in models for run in model.taught),
        seeds=len(models),
        score=mean(scores),
        deviation=deviation(scores),
        retention=mean([model.retention for model in models]),
        scores={name: mean([model.scores.get(name) for model in models]) for name in models[0].scores},
        latency_ms=mean([model.latency_ms for model in models]),
        speedup=mean([model.speedup for model in models]),
    )
