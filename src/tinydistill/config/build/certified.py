"""What stage=certify compares: a student, its teacher, and the rows that neither was trained on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinydistill.artifacts.provenance import record_of
from tinydistill.config.build import data
from tinydistill.config.build.models import check_task_head
from tinydistill.config.build.origin import origin_of
from tinydistill.config.build.sources import check_length, find_task_teacher
from tinydistill.config.compose import stored
from tinydistill.config.names import distilled_path
from tinydistill.config.schema import Config
from tinydistill.data.files import check_file
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.sources import SELECTION, TaskSource
from tinydistill.errors import UserError
from tinydistill.kinds import kind_of
from tinydistill.models.source import Source, find


def no_certificate(config: Config, task: TaskSource) -> str | None:
    """Why there can be no certificate: answers are never alike, or no teacher could answer other rows."""
    kind = kind_of(task.target)
    if not kind.comparable:
        return (
            f"task={config.task.name} predicts {kind.predicts}, which are never quite alike: stage=certify has nothing "
            "to count"
        )
    if config.task.soft_labels and config.certify.teacher is None:
        return (
            "the teacher is the probabilities of task.soft_labels, which say nothing of other rows: name a model with "
            "certify.teacher=DIR"
        )
    return None


def check_certifiable(config: Config, task: TaskSource) -> None:
    """Raises UserError where there can be no certificate."""
    if reason := no_certificate(config, task):
        raise UserError(reason)


def contenders(config: Config, task: TaskSource, path: str) -> tuple[Source, Source]:
    """The student at a path and its teacher. Raises an error where they don't answer with the task's labels."""
    student = find(path, "certify.path")
    check_task_head(student, task.target)
    teacher = _teacher(config, path)
    check_task_head(teacher, task.target)
    check_length(config, student, teacher)
    return student, teacher


def _teacher(config: Config, path: str) -> Source:
    """As certify.teacher names it, or the one that the student learned from, or else the task's."""
    named = config.certify.teacher
    if named is not None:
        return find(named, "certify.teacher")
    origin = origin_of(_trained(path), config)
    if origin is not None and origin.teacher is not None:
        return origin.teacher
    return find_task_teacher(config)


def _trained(path: str) -> str:
    """The model that an exported directory was made from, where that is known; any other path itself."""
    made = record_of(path)
    if made is None or made.stage != "export":
        return path
    named = made.configuration["export"]["path"]
    return str(named or distilled_path(stored(made.configuration)))


@dataclass(frozen=True)
class HeldOut:
    """Rows that neither model was trained on.

    `deciding` are those that agreement and threshold are found on, with or without labels, `numbers` their numbers in
    the split; `labeled` are the validation rows, which may be the same. `kept` are training rows that were kept aside;
    None where there are none. `left_out` counts rows with a text that is trained on, `training` are the training rows.
    """

    deciding: Split
    numbers: NDArray[np.int64]
    labeled: Split
    kept: Split | None
    left_out: int
    training: Split


def held_out(config: Config, task: TaskSource, reported: str) -> HeldOut:
    """The rows to certify on. Raises UserError where there are none."""
    whole = data.task(config).train()
    seen = set(_texts(whole))
    if config.task.unlabeled is not None:
        seen |= set(_texts(task.unlabeled(config.task.unlabeled)))
    validation = task.validation()
    labeled, numbers = _unseen(validation[reported], seen, "task.validation")
    deciding, total = labeled, len(validation[reported])
    if config.certify.file is not None:
        check_file(Path(config.certify.file), "certify.file")
        further = replace(task.unlabeled(config.certify.file), name=Path(config.certify.file).name)
        deciding, numbers = _unseen(further, seen, "certify.file")
        total = len(further)
    return HeldOut(deciding, numbers, labeled, validation.get(SELECTION), total - len(deciding), whole)


def _unseen(split: Split, seen: set[tuple[str, str]], option: str) -> tuple[Split, NDArray[np.int64]]:
    rows = np.flatnonzero([texts not in seen for texts in _texts(split)])
    if not len(rows):
        raise UserError(
            f"none of the {len(split)} rows of {split.name} is held out: training rows have all of their texts; "
            f"set {option} to a file of other rows"
        )
    return split if len(rows) == len(split) else split.take(rows), rows


def _texts(split: Split) -> list[tuple[str, str]]:
    return list(zip(split.texts, split.pairs or [""] * len(split), strict=True))


def file_columns(split: Split, names: Sequence[str]) -> dict[str, list[str]]:
    """What columns of the rows' file say [N], by name. Raises UserError where there is no such column."""
    known = {} if split.file is None else split.file.columns
    if (missing := next((name for name in names if name not in known), None)) is not None:
        has = f"has the columns {', '.join(known)}" if known else "is from no file with columns"
        raise UserError(f"certify.columns names '{missing}', and {split.name} {has}")
    return {name: ["" if cell is None else str(cell) for cell in known[name]] for name in names}
