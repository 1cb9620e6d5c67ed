"""Several processes: what one of them would compute, published once."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.stages.conftest import changed


def launch(arguments: dict[str, str], **changes: str) -> subprocess.CompletedProcess[str]:
    words = [f"{key}={value}" for key, value in changed(arguments, **changes).items()]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tinydistill", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=240)


# by stage: the fixture of its arguments, more of them, and the batch size of one process alone
RUNS = {
    "general": ("arguments", {}, {"general.batch_size": "16"}),
    # the loss of the other phase is a mean over tokens, of which ranks have different numbers; which rows choose the
    # penalty of a solved head depends on the size of a batch
    "task": (
        "distillation_arguments",
        {"distill.phases": "prediction", "prediction.batch_size": "8", "distill.head": "random"},
        {"prediction.batch_size": "16"},
    ),
}


def without_dropout(student: Path, directory: Path) -> str:
    config = json.loads((shutil.copytree(student, directory) / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (directory / "config.json").write_text(json.dumps(config))
    return str(directory)


@pytest.mark.slow
@pytest.mark.parametrize("stage", RUNS)
def test_two_processes_learn_what_one_with_twice_the_batch_learns(stage, request, command, tmp_path):
    given, more, doubled = RUNS[stage]
    arguments = {**request.getfixturevalue(given), "stage": stage, **more}
    if "student.path" in arguments:
        arguments["student.path"] = without_dropout(Path(arguments["student.path"]), tmp_path / "student")
    pair = launch(arguments, trainer__devices="2", trainer__strategy="ddp", output_dir=str(tmp_path / "pair"))
    assert pair.returncode == 0, pair.stderr
    assert pair.stdout.count("artifact: ") == 1
    code, _, errors = command({**arguments, **doubled, "output_dir": str(tmp_path / "alone")})
    assert code == 0, errors
    ours, theirs = (load_file(tmp_path / name / "model.safetensors") for name in ("pair", "alone"))
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=0, atol=2e-3)
    results = [json.loads((tmp_path / name / "result.json").read_text()) for name in ("pair", "alone")]
    number = "heldout_loss" if stage == "general" else "score"
    assert results[0][number] == pytest.approx(results[1][number], rel=1e-4)
