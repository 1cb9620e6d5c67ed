"""How a model came to be, as the artifacts on disk tell it: its teacher, what that comes from, and its baseline."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf.errors import OmegaConfBaseException

from tinydistill.artifacts.provenance import Record, record_of
from tinydistill.config.build.sources import find_task_teacher
from tinydistill.config.compose import stored
from tinydistill.config.names import corpus_name, finetuned_path, mapping_name
from tinydistill.config.schema import Config
from tinydistill.errors import InputError, UserError
from tinydistill.models.loading import is_path
from tinydistill.models.source import Source


@dataclass(frozen=True)
class Origin:
    """What stage=task left beside a model.

    `config` is that of its distillation; `teacher` is None where it is not to be found, `baseline` (the score of the
    same student without distillation) where there is none on the same rows.
    """

    made: Record
    config: Config
    teacher: Source | None
    baseline: float | None

    @property
    def rows(self) -> Any:
        """What the model was trained and scored on, as its settings have it."""
        return self.made.settings["inputs"]["task"]

    @property
    def base(self) -> str:
        """The hub name or directory of the model that the teacher was fine-tuned from."""
        path, seen = self.config.teacher.path, set()
        while (made := record_of(path)) is not None and made.path not in seen:
            seen.add(made.path)  # one that was made into the place of its own teacher leads back to itself
            path = str(made.configuration["teacher"]["path"])
        return path

    def summary(self) -> dict[str, Any]:
        """What a model card says of it."""
        kept, result = _before_it_was_named(self.config), self.made.result
        phases = {} if "trained_scores" in result else result["phases"]  # it is kept as it began
        layers = [row for phase in phases.values() for row in phase.get("layers", ())]
        given = kept.student.path is not None
        losses = {name: node.get("weight", 1.0) for name, node in kept.objective.losses.items()}
        return {
            "teacher": Path(self.base).name if is_path(self.base) or Path(self.base).exists() else self.base,
            "init": "given weights" if given else kept.student.init,
            "corpus": None if given else corpus_name(kept),
            "augmented": kept.augmentation.path is not None,
            "mapping": mapping_name(kept),
            "layers": {str(row["student_layer"]): row["teacher_layer"] for row in layers if row["student_layer"]},
            "objective": {name: weight for name, weight in losses.items() if weight},
            "scale": kept.objective.scale,
            "phases": {name: phase["steps"] for name, phase in phases.items()},
        }


def origin_of(path: str, config: Config) -> Origin | None:
    """What there is to know of a model that stage=task made; None for any other. Relatives are below paths.outputs."""
    made = record_of(path)
    then = _configuration(made, "task")
    if made is None or then is None:
        return None
    job = then.paths.job  # whose relatives have other names than a single run's
    then = replace(then, paths=replace(config.paths, job=job))
    try:
        teacher: Source | None = find_task_teacher(then)
    except (UserError, InputError):
        teacher = None
    if teacher is not None and teacher.identity != made.settings["inputs"]["teacher"]:
        teacher = None
    return Origin(made, then, teacher, _baseline(then, made.settings["inputs"]["task"]))


def without_distillation(config: Config) -> Config:
    """The configuration of the baseline: the same student from random weights."""
    return replace(config, student=replace(config.student, path=None, init="random"))


def _before_it_was_named(config: Config) -> Config:
    """With the options of the general student in place of its path, where stage=general made it."""
    made = record_of(config.student.path) if config.student.path is not None else None
    then = _configuration(made, "general")
    return config if then is None else replace(config, student=then.student, corpus=then.corpus)


def _configuration(made: Record | None, stage: str) -> Config | None:
    """That of what a stage made; None for what another one made, or another version, whose options are others."""
    try:
        return stored(made.configuration) if made is not None and made.stage == stage else None
    except OmegaConfBaseException:
        return None


def _baseline(config: Config, rows: Any) -> float | None:
    made = record_of(finetuned_path(without_distillation(config), "student"))
    if made is None or made.settings["inputs"]["task"] != rows:
        return None
    score: float | None = made.result["score"]
    return score
