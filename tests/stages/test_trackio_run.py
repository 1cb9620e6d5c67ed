"""A run in trackio, read back from its database."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stages.logged import last_values

pytest.importorskip("trackio", reason="trackio is not installed: pip install trackio")

READ = """
import json, sys
from trackio.sqlite_storage import SQLiteStorage as storage
found = {name: [storage.get_run_config("tinydistill", name), storage.get_logs("tinydistill", name)]
         for name in storage.get_runs("tinydistill")}
json.dump(found, sys.stdout)
"""


@pytest.mark.slow
def test_both_phases_are_runs_with_configuration_metrics_picture_and_table(distillation_arguments, tmp_path):
    output = tmp_path / "outputs" / "small"
    words = {
        **distillation_arguments,
        "output_dir": str(output),
        "logger": "trackio",
        "trainer.log_every_n_steps": "1",
        "intermediate.max_steps": "2",
        "prediction.max_steps": "2",
    }
    # trackio reads once, when it is imported, where its databases are: a process of its own
    run = [sys.executable, "-m", "tinydistill", *(f"{key}={value}" for key, value in words.items())]
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "HF_HUB_OFFLINE": "1", "PYTHONPATH": _path()}
    done = subprocess.run(run, env=environment, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    environment["TRACKIO_DIR"] = str(tmp_path / "outputs" / "trackio")
    read = subprocess.run([sys.executable, "-c", READ], env=environment, capture_output=True, text=True, check=True)
    found = json.loads(read.stdout[read.stdout.index("{") :])
    assert set(found) == {"task-small-intermediate", "task-small-prediction"}
    assert not (tmp_path / ".cache" / "huggingface" / "trackio").exists()
    for phase, media in (("intermediate", {"attention"}), ("prediction", {"predictions"})):
        config, rows = found[f"task-small-{phase}"]
        assert (config["stage"], config["seed"], config["output_dir"]) == ("task", 0, "~/outputs/small")
        logged = {name: value for row in rows for name, value in row.items()}
        expected = last_values(output / "logs" / phase)
        assert set(logged) - {"step", "timestamp"} == set(expected) | media
        assert {name: logged[name] for name in expected} == pytest.approx(expected)


def _path() -> str:
    return str(Path(__file__).parents[2] / "src")
