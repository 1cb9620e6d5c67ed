"""A run in MLflow, at a real tracking server on this machine and in a database of its own, read back from there."""

import getpass
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.stages.conftest import changed
from tests.stages.logged import last_values

mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed: pip install mlflow")
pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path) -> Iterator[str]:
    """The address of a tracking server with a database of its own."""
    if version("sqlalchemy").startswith("1."):
        pytest.skip("mlflow's server needs SQLAlchemy 2, and the extra `optuna` an earlier one")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = ["--backend-store-uri", f"sqlite:///{tmp_path}/server.db", "--artifacts-destination", f"{tmp_path}/kept"]
    words = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    log = tmp_path / "server.log"
    with log.open("w") as out, subprocess.Popen([*words, *store], stdout=out, stderr=out) as process:
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(f"{address}/health", process, log)
            yield address
        finally:
            process.terminate()
            process.wait(60)


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until a server answers."""
    for _ in range(240):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(log.read_text())


@pytest.fixture(params=["server", "database"])
def address(request, tmp_path, monkeypatch) -> str:
    """Where the run is logged."""
    if request.param == "server":
        found: str = request.getfixturevalue("server")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", found)
        return found
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return f"sqlite:///{tmp_path}/outputs/mlflow.db"


def test_a_run_holds_metrics_parameters_and_tags_and_no_user(address, arguments, command, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    words = changed(arguments, general__max_steps="4", trainer__log_every_n_steps="1", logger="mlflow")
    code, _, err = command({**words, "+logger.mlflow.tags.owner": "me"})
    assert code == 0, err

    client = mlflow.tracking.MlflowClient(address)
    experiment = client.get_experiment_by_name("tinydistill")
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.status, run.info.run_name) == ("FINISHED", "general-student")

    expected = last_values(Path(arguments["output_dir"]) / "logs")
    assert set(run.data.metrics) == set(expected)
    assert run.data.metrics == pytest.approx(expected)
    steps = [point.step for point in client.get_metric_history(run.info.run_id, "train/loss")]
    assert steps == [0, 1, 2, 3]

    assert run.data.params["student/hidden_size"] == "16"
    assert run.data.params["output_dir"] == "~/outputs/student"
    tags = {"stage": "general", "student": "tiny3", "mapping": "uniform", "corpus": "files", "owner": "me"}
    assert tags.items() <= run.data.tags.items()
    told = str(run.to_dictionary()["data"])
    assert str(tmp_path) not in told
    assert run.data.tags["mlflow.user"] == run.info.user_id == ""
    assert getpass.getuser() not in run.data.tags.values()
