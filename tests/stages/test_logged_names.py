"""What every kind of training logs is what the table of docs/dashboards.md says, neither more nor less."""

import re
from pathlib import Path

import pytest
import torch

from tests.stages.conftest import changed
from tests.stages.logged import last_values
from tests.test_readme import ROOT

TRAININGS = ("general", "pretrain", "finetune", "intermediate", "prediction", "merged")
PLACEHOLDERS = {
    "KIND": "embedding|hidden|attention",
    "LAYER": r"\d+",
    "SPLIT": "validation|selection",
    "METRIC": "accuracy",
    "OPTIMIZER": "AdamW",
    "N": r"\d+",
}
EVERY_STEP = {"trainer.log_every_n_steps": "1"}
ON_TEXT = {"max_steps": "2", "max_length": "16", "batch_size": "8", "heldout_fraction": "0.1"}


def documented(training: str) -> list[str]:
    """The names that the page has for a kind of training."""
    table = (ROOT / "docs" / "dashboards.md").read_text(encoding="utf-8").partition("| what | name | trainings |")[2]
    rows = [line.split(" | ") for line in table.partition("\n\n")[0].splitlines()[2:]]
    names = []
    for _, cell, trainings in rows:
        about = set(re.findall("`([a-z]+)`", trainings))
        assert about <= set(TRAININGS)
        assert about or trainings.startswith("all")
        if "CUDA" in trainings and not torch.cuda.is_available():
            continue
        if training in about or not about:
            names += re.findall("`([^`]+)`", cell)
    return names


def pattern(name: str) -> str:
    """What a documented name matches."""
    return re.sub("|".join(PLACEHOLDERS), lambda found: f"(?:{PLACEHOLDERS[found[0]]})", name)


def logged(directory: Path) -> set[str]:
    """The names in what the CSV logger left below a directory."""
    return set(last_values(directory)) | {file.stem for file in directory.iterdir() if file.is_file()}


@pytest.fixture
def logs(arguments, task_arguments, distillation_arguments, command, tmp_path):
    """Runs a kind of training that logs every step; where its logs are."""

    def of(training: str) -> Path:
        words = {
            "general": changed(arguments, general__max_steps="2"),
            "pretrain": {
                **{key: value for key, value in arguments.items() if not key.startswith("general.")},
                **{f"pretrain.{key}": value for key, value in ON_TEXT.items()},
                "stage": "pretrain",
            },
            "finetune": {**task_arguments, "stage": "finetune", "finetune.teacher.epochs": "1"},
        }.get(training) or {
            **distillation_arguments,
            "intermediate.epochs": "1",
            "prediction.epochs": "1",
            "distill.phases": "merged" if training == "merged" else "both",
        }
        output = tmp_path / "outputs" / "logged"
        code, _, err = command({**words, **EVERY_STEP, "output_dir": str(output)})
        assert code == 0, err
        kept = output / "logs"
        return kept / training if training in ("intermediate", "prediction", "merged") else kept

    return of


@pytest.mark.parametrize("training", TRAININGS)
def test_a_training_logs_the_documented_names_and_no_others(training, logs):
    names, known = logged(logs(training)), documented(training)
    unknown = {name for name in names if not any(re.fullmatch(pattern(one), name) for one in known)}
    never = {one for one in known if not any(re.fullmatch(pattern(one), name) for name in names)}
    assert not unknown, "logged, but not on the page"
    assert not never, "on the page, but not logged"
