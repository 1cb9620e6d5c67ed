"""Several processes: what one of them would compute, published once."""

import json
import os
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


@pytest.mark.slow
def test_two_processes_learn_what_one_with_twice_the_batch_learns(arguments, tmp_path):
    pair = launch(arguments, trainer__devices="2", trainer__strategy="ddp", output_dir=str(tmp_path / "pair"))
    assert pair.returncode == 0, pair.stderr
    assert pair.stdout.count("artifact: ") == 1
    alone = launch(arguments, general__batch_size="16", output_dir=str(tmp_path / "alone"))
    assert alone.returncode == 0, alone.stderr
    ours, theirs = (load_file(tmp_path / name / "model.safetensors") for name in ("pair", "alone"))
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=0, atol=2e-3)
    losses = [json.loads((Path(tmp_path / n) / "result.json").read_text())["heldout_loss"] for n in ("pair", "alone")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
