"""The lengths of a pipeline that is to end in a given time: planned once, kept, and set in the configuration."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tinydistill.artifacts.files import digest, kept, write_sealed
from tinydistill.benchmarking.budget import SHARE, TooShortError, allot
from tinydistill.config.build import costs, data, shipping_costs
from tinydistill.config.build.sources import find_student, find_teacher, wants_general
from tinydistill.config.dependencies import of_distilled
from tinydistill.config.durations import seconds_of, written
from tinydistill.config.schema import Config
from tinydistill.console import table
from tinydistill.errors import UserError

_OPTION = "pipeline.budget"
_MEASURING = 1 / 200  # of a task's time, at most, each piece is measured
_ROWS = (  # of the table: the stage, what it makes, the part or what is done once
    ("finetune", "teacher", costs.TEACHER),
    ("finetune", "baseline", costs.BASELINE),
    ("task", "teacher's logits", costs.LOGITS),
    ("task", "start of the student", costs.START),
    ("task", "intermediate phase", costs.INTERMEDIATE),
    ("task", "prediction phase", costs.PREDICTION),
    ("evaluate", "predictions", costs.EVALUATION),
    ("export", "files to ship, checked", shipping_costs.FILES),
    ("export", "latencies, at most", shipping_costs.LATENCIES),
    ("certify", "certificate", shipping_costs.CERTIFICATE),
)


@dataclass(frozen=True)
class Plan:
    """How long the parts of a task's pipeline are.

    Attributes:
        passes: over the training rows, by part; 0 for one that is left out.
        default: the parts that are as long as without a plan.
        seconds: that are expected, of the parts and of what is done once.
    """

    passes: dict[str, int]
    default: list[str]
    seconds: dict[str, float]

    def set_in(self, config: Config) -> Config:
        """The configuration with these lengths; what is as long as without a plan stays as it is said there."""
        finetune, phases, pipeline = config.finetune, config.distill.phases, config.pipeline

        def epochs(part: str, now: int | None) -> int | None:
            return now if part in self.default else self.passes.get(part) or now

        if self.passes.get(costs.INTERMEDIATE) == 0:
            phases = "prediction"
        if self.passes.get(costs.BASELINE) == 0:
            pipeline = replace(pipeline, baseline=False)
        teacher = replace(finetune.teacher, epochs=epochs(costs.TEACHER, finetune.teacher.epochs))
        intermediate, prediction = config.intermediate, config.prediction
        return replace(
            config,
            finetune=replace(finetune, teacher=teacher),
            intermediate=replace(intermediate, epochs=epochs(costs.INTERMEDIATE, intermediate.epochs)),
            prediction=replace(prediction, epochs=epochs(costs.PREDICTION, prediction.epochs)),
            distill=replace(config.distill, phases=phases),
            pipeline=pipeline,
        )


def in_time(config: Config, tasks: Sequence[Config], place: Path) -> list[Config]:
    """The configurations of a pipeline's tasks with lengths that end in pipeline.budget; the plan is shown.

    It is kept beside `place`, where the pipeline publishes, so that the same command goes on with the same lengths.
    Several tasks have equal shares of the time.

    Raises:
        UserError: the least that works takes longer, or something is asked for that isn't planned.
    """
    assert config.pipeline.budget is not None
    for of_task in tasks:
        _check(of_task)
    seconds = seconds_of(_OPTION, config.pipeline.budget)
    file, wanted = place.with_name(f"{place.name}.plan.json"), digest([seconds, *map(_settings, tasks)])
    before = kept(file, "the lengths are planned again") if config.overwrite != "always" else None
    if before and before["settings"] == wanted:
        plans = [Plan(**plan) for plan in before["tasks"]]
    else:
        plans = [_planned(of_task, seconds / len(tasks), len(tasks)) for of_task in tasks]
        file.parent.mkdir(parents=True, exist_ok=True)
        write_sealed(file, {"settings": wanted, "tasks": [asdict(plan) for plan in plans]})
    for of_task, plan in zip(tasks, plans, strict=True):
        _show(of_task, plan, seconds / len(tasks))
    return [plan.set_in(of_task) for of_task, plan in zip(tasks, plans, strict=True)]


def _check(config: Config) -> None:
    for asked, what, instead in (
        (config.pipeline.augment, "pipeline.augment=true", "name rows that are there with augmentation.path=FILE"),
        (wants_general(config), "distill.start=general", "name a general student that is there with student.path=DIR"),
        (config.distill.phases == "merged", "distill.phases=merged", "take distill.phases=both"),
    ):
        if asked:
            raise UserError(f"{_OPTION} doesn't plan {what}: leave that out, or {instead}")


def _settings(config: Config) -> dict[str, Any]:
    """What a plan is of: the same for the same options, models and rows."""
    given = find_student(config)
    return {
        "distilled": asdict(of_distilled(config)),
        "finetune": asdict(config.finetune),
        "baseline": config.pipeline.baseline,
        "teacher": find_teacher(config).identity,
        "student": given.identity if given else None,
        "task": data.training_task(config).identity(),
    }


def _planned(config: Config, budget: float, tasks: int) -> Plan:
    began = time.monotonic()
    with TemporaryDirectory() as directory:
        seconds = min(config.benchmark.seconds, _MEASURING * budget)
        found = costs.measure_costs(config, Path(directory), seconds)
    measuring = time.monotonic() - began
    try:
        passes = allot(budget, measuring + sum(found.once.values()), found.parts)
    except TooShortError as error:
        raise UserError(_too_short(config, found, error.needed, tasks)) from error
    expected = {name: part.seconds * passes[name] for name, part in found.parts.items()}
    default = [name for name, part in found.parts.items() if passes[name] == part.default]
    return Plan(passes, default, {"measuring": measuring, **expected, **found.once})


def _too_short(config: Config, found: costs.Costs, needed: float, tasks: int) -> str:
    parts = [f"{name} {_count(part.least)}" for name, part in found.parts.items() if part.least]
    shipping = sum(found.once.get(name, 0.0) for name in shipping_costs.ALL)
    least = ", ".join([*parts, *([f"export and certificate {written(shipping)}"] if shipping else [])])
    place, whose = (f" for {tasks} tasks", f" of {config.task.name}") if tasks > 1 else ("", "")
    return (
        f"{_OPTION}={config.pipeline.budget} is too short{place}: the least{whose} takes {written(needed)} here "
        f"({least}); set {_OPTION}={written(1.1 * needed * tasks)}, or learn from fewer rows: "
        "task.train_share=SHARE or task.max_rows=ROWS"
    )


def _count(passes: int) -> str:
    return "1 pass" if passes == 1 else f"{passes} passes"


def _show(config: Config, plan: Plan, budget: float) -> None:
    rows: list[tuple[str, str, str, str]] = []
    asked_for = shipping_costs.asked_for(config)
    for stage, makes, name in _ROWS:
        if name in plan.seconds:
            passes = plan.passes.get(name)
            length = "once" if passes is None else _count(passes) if passes else "left out: it doesn't fit"
            rows.append((f"stage={stage}", makes, length, f"{plan.seconds[name] / 60:.1f}"))
        elif name in asked_for:  # of a plan that was made without
            rows.append((f"stage={stage}", makes, "on top of this plan", "-"))
    rows.append(("", "measuring", "before", f"{plan.seconds['measuring'] / 60:.1f}"))
    rows.append(("", "all", f"of {budget / 60:.1f} minutes", f"{sum(plan.seconds.values()) / 60:.1f}"))
    columns = ("stage", "makes", "length", "minutes")
    table(f"plan for {config.task.name}, with {1 - SHARE:.0%} of the time kept for the rest", columns, rows, words=3)
