"""How a model came to be, as the artifacts on disk tell it: its teacher, what that comes from, and its baseline."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinydistill.artifacts.writer import read_json
from tinydistill.errors import UserError
from tinydistill.config.build.sources import Source, Values, find_task_teacher, finetuned_path, without_distillation


@dataclass(frozen=True)
class Ancestry:
    """What stage=task left beside a model.

    `configuration` is that of its distillation, `result` what came of it; `teacher` is None where it is not to be
    found, `baseline` (the score of the same student without distillation) where there is none on the same rows.
    """

    configuration: Values
    result: dict[str, Any]
    task: dict[str, Any]
    teacher: Source | None
    baseline: float | None

    @property
    def base(self) -> str:
        """The hub name or directory of the model that the teacher was fine-tuned from."""
        path = str(self.configuration["teacher"]["path"])
        while (made := _provenance(Path(path))) is not None:
            path = str(made["configuration"]["teacher"]["path"])
        return path

    def told(self) -> dict[str, Any]:
        """What a model card says of it."""
        kept = _before_it_was_named(self.configuration)
        layers = [row for phase in self.result["phases"].values() for row in phase.get("layers", ())]
        weights = ("embedding", "hidden", "attention", "relation")
        return {
            "teacher": Path(self.base).name if Path(self.base).exists() else self.base,
            "init": kept["student"]["init"] if kept["student"]["path"] is None else "given weights",
            "corpus": kept["corpus"]["name"] if kept["student"]["path"] is None else None,
            "augmented": kept["augmentation"]["path"] is not None,
            "mapping": kept["mapping"]["strategy"],
            "layers": {str(row["student_layer"]): row["teacher_layer"] for row in layers if row["student_layer"]},
            "objective": {name: kept["objective"][name] for name in weights if kept["objective"][name]},
            "scale": kept["objective"]["scale"],
            "phases": {name: phase["steps"] for name, phase in self.result["phases"].items()},
        }


def ancestry(path: str, values: Values) -> Ancestry | None:
    """What there is to know of a model that stage=task made; None for any other. Relatives are below paths.outputs."""
    made = _provenance(Path(path))
    if made is None or made["configuration"]["stage"] != "task":
        return None
    job = made["configuration"]["paths"].get("job")  # whose relatives have other names than a single run's
    configuration = {**made["configuration"], "paths": {**values["paths"], "job": job}}
    settings = made["settings"]
    try:
        teacher: Source | None = find_task_teacher(configuration)
    except UserError:
        teacher = None
    if teacher is not None and teacher.identity != settings["teacher"]:
        teacher = None
    result = read_json(Path(path) / "result.json")
    return Ancestry(configuration, result, settings["task"], teacher, _baseline(configuration, settings["task"]))


def _before_it_was_named(configuration: Values) -> Values:
    """With the options of the general student in place of its path, where stage=general made it."""
    path = configuration["student"]["path"]
    made = _provenance(Path(path)) if path is not None else None
    if made is None or made["configuration"]["stage"] != "general":
        return configuration
    return {**configuration, **{node: made["configuration"][node] for node in ("student", "corpus")}}


def _provenance(path: Path) -> dict[str, Any] | None:
    file = path / "provenance.json"
    return read_json(file) if file.is_file() and (path / "result.json").is_file() else None


def _baseline(configuration: Values, task: dict[str, Any]) -> float | None:
    path = finetuned_path(without_distillation(configuration), "student")
    made = _provenance(path)
    return read_json(path / "result.json")["score"] if made is not None and made["settings"]["task"] == task else None
