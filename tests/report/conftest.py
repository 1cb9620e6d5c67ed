"""Artifacts as stages leave them, without the work."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.targets import Target
from tinydistill.kinds import kind_of
from tinydistill.training.prediction_files import prediction_file, write_predictions

PETS = kind_of(Target(("cat", "dog")))


def nested(flat: dict[str, Any]) -> dict[str, Any]:
    """Dotted keys as dictionaries in dictionaries."""
    found: dict[str, Any] = {}
    for key, value in flat.items():
        *parents, name = key.split(".")
        place = found
        for parent in parents:
            place = place.setdefault(parent, {})
        place[name] = value
    return found


def weights_of(content: str) -> str:
    """The identity of the weights that an artifact holds."""
    return hashlib.sha256(content.encode()).hexdigest()[:16]


class Maker:
    """Writes artifacts below a directory."""

    def __init__(self, root: Path):
        self.root = root

    def make(
        self,
        path: str,
        options: dict[str, Any],
        result: dict[str, Any],
        weights: str | None = None,
        inputs: dict[str, str | None] | None = None,
        **configuration: Any,
    ) -> Path:
        """One artifact: the options and the inputs that it depends on, its result, its weights, its configuration.

        The configuration's dotted names have __ for a dot, the stage is the path's first part.
        """
        place = self.root / path
        place.mkdir(parents=True, exist_ok=True)
        named = {"stage": path.split("/")[0], **{key.replace("__", "."): value for key, value in configuration.items()}}
        record = {
            "settings": {"options": options, "inputs": inputs or {}},
            "configuration": {**options, **nested(named)},
            "command": f"stage={named['stage']}",
            "finished": "2026-01-02T03:04:05+00:00",
            "versions": {"python": "3.11"},
            "machine": {"system": "Linux", "cores": 2},
        }
        (place / "provenance.json").write_text(json.dumps(record))
        (place / "result.json").write_text(json.dumps(result))
        if weights is not None and not (place / "model.safetensors").exists():
            (place / "model.safetensors").write_text(weights)
        return place

    def finetune(self, name: str, score: float, model: str, task: str = "pets", rows: str = "r", **more: Any) -> Path:
        """A teacher or a baseline."""
        result = scored(score) | {"parameters": 900 if model == "teacher" else 300}
        choices = {"task__name": task, "finetune__model": model}
        return self.make(f"finetune/{name}", more, result, name, {"model": "w", "task": rows}, **choices)

    def task(
        self,
        name: str,
        score: float,
        teacher: str,
        teacher_score: float,
        task: str = "pets",
        rows: str = "r",
        learned_from: str | None = None,
        **more: Any,
    ) -> Path:
        """A distilled student; `learned_from` is the identity of its teacher's weights, if not that of a made one."""
        inputs = {"teacher": learned_from or weights_of(teacher), "student": "s", "task": rows, "augmentation": None}
        result = scored(score) | {
            "teacher_score": teacher_score,
            "teacher_scores": scored(teacher_score)["scores"],
            "retention": 100 * score / teacher_score,
            "parameters": 300,
            "phases": {"prediction": {}},
        }
        choices = {"task__name": task, "student__path": None, "augmentation__path": None}
        choices |= {"teacher__path": "/gone", "teacher__revision": None}
        return self.make(f"task/{name}", more, result, name, inputs, **choices)


def answered(place: Path, right: list[bool], of: str = "", first: int = 0) -> None:
    """Predictions of rows that are cats and dogs by turns: which are right, rows numbered from `first`."""
    numbers = np.arange(len(right))
    said = np.where(right, numbers % 2, 1 - numbers % 2)
    whole = Split("validation", ["text"] * (len(right) + first), labels=np.arange(len(right) + first) % 2)
    file, logits = prediction_file(place, "validation", of), np.eye(2, dtype=np.float32)[(said + first) % 2]
    write_predictions(file, whole, PETS, logits, rows=np.arange(first, first + len(right)))


def scored(score: float) -> dict[str, Any]:
    """What stages on a task report of a score."""
    return {
        "score": score,
        "monitor": "validation/accuracy",
        "scores": {"validation": {"accuracy": score, "f1": score / 2}},
        "majority": {"validation": {"accuracy": 0.5, "f1": 0.3}},
    }


@pytest.fixture
def maker(tmp_path) -> Maker:
    return Maker(tmp_path / "outputs")
