"""Nothing of the user's machine is in what a run leaves: no token, home directory or host name."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stages.conftest import changed
from tests.stages.test_export import QUICK

SECRETS = {
    "HF_TOKEN": "hf_planted_token_of_the_hub",
    "HUGGING_FACE_HUB_TOKEN": "hf_planted_token_of_old",
    "WANDB_API_KEY": "0123planted4567key89" * 2,
    "AWS_SECRET_ACCESS_KEY": "planted_secret_of_a_cloud",
    "PL_OWN_TOKEN": "planted_under_a_name_like_lightnings",
    "TORCH_OWN_KEY": "planted_under_a_name_like_torchs",
}
HOST = "planted-host-name"


@pytest.fixture
def planted(tmp_path, monkeypatch) -> dict[str, str]:
    """Secrets by name, in the environment; the home directory is the test's, the machine has a name of the test's."""
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(socket, "gethostname", lambda: HOST)
    return {**SECRETS, "home directory": str(tmp_path), "host name": HOST}


def found(places: Iterator[Path], planted: dict[str, str]) -> list[str]:
    """Which of the planted values stand in the names or the bytes of files, and where."""
    seen = []
    for file in places:
        content = str(file.name).encode() + (file.read_bytes() if file.is_file() else b"")
        seen += [f"{name} in {file}" for name, value in planted.items() if value.encode() in content]
    return seen


@pytest.mark.slow
def test_no_artifact_or_report_holds_a_secret_a_home_directory_or_a_host_name(
    task_arguments, arguments, command, tmp_path, planted, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    general = changed(arguments, general__max_steps="2", logger="tensorboard")
    teacher = {**task_arguments, "logger": "[tensorboard,wandb]"}
    outputs = tmp_path / "outputs"
    runs = [
        general,
        {**teacher, "stage": "finetune", "finetune.teacher.epochs": "1", "output_dir": str(outputs / "tuned")},
        {**teacher, "stage": "task", "teacher.path": str(outputs / "tuned"), "distill.check_score": "0",
         "student.path": str(outputs / "student"), "prediction.max_steps": "2", "intermediate.max_steps": "2"},
        {**task_arguments, **QUICK, "export.path": str(outputs / "made"), "output_dir": str(outputs / "shipped"),
         "export.formats": "[]"},
        {"stage": "report", "report.paths": f"[{outputs}]", "output_dir": str(outputs / "report")},
    ]  # fmt: skip
    for run in runs:
        code, out, err = command(run)
        assert code == 0, err
        for name, secret in SECRETS.items():
            assert secret not in out + err, name
    leaks = found((file for file in outputs.rglob("*") if ".lock" not in file.name), planted)
    # what W&B keeps for `wandb sync` says where its files lie: docs/security.md tells it
    leaks = [leak for leak in leaks if not (leak.startswith("home") and leak.endswith(".wandb"))]
    assert not leaks, "\n".join(leaks)
