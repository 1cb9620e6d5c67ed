"""The logger of trackio, with a module in trackio's place that notes what it is asked for."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tinydistill.errors import InputError
from tinydistill.training import dashboards
from tinydistill.training.trackio_logger import TrackioLogger


class FakeRun:
    def __init__(self, config):
        self.name, self.config, self.rows, self.finished = "run", {**config, "_Username": "somebody"}, [], False

    def log(self, metrics, step=None):
        self.rows.append((step, metrics))

    def finish(self):
        self.finished = True


@pytest.fixture
def runs(tmp_path, monkeypatch) -> list[FakeRun]:
    """The runs that are begun."""
    begun: list[FakeRun] = []

    def init(project, *, name, group, config, **_):
        begun.append(FakeRun({**config, "project": project, "group": group}))
        print("* Trackio project initialized")
        return begun[-1]

    fake = SimpleNamespace(
        init=init,
        Image=lambda picture: ("image", picture.size),
        Table=lambda columns, data: ("table", columns, data),
        utils=SimpleNamespace(TRACKIO_DIR=tmp_path / "trackio"),
    )
    monkeypatch.setitem(sys.modules, "trackio", fake)
    monkeypatch.setenv("TRACKIO_DIR", "")  # so that what the logger sets is undone
    monkeypatch.delenv("TRACKIO_DIR")
    return begun


def test_a_run_begins_with_the_first_metric_and_ends_when_training_does(runs, tmp_path, capsys):
    config = {"seed": 1, "path": str(Path.home() / "rows.csv")}
    logger = TrackioLogger(tmp_path / "trackio", run_name="n", group="g", run_config=config)
    assert not runs
    logger.log_metrics({"train/loss": 0.5}, step=3)
    dashboards.log_picture([logger], "attention", np.zeros((4, 6, 3), np.uint8), 3)
    dashboards.log_table([logger], "predictions", ["text"], [["a"]])
    dashboards.finish([logger])
    (run,) = runs
    assert run.rows == [
        (3, {"train/loss": 0.5}),
        (None, {"attention": ("image", (6, 4))}),
        (None, {"predictions": ("table", ["text"], [["a"]])}),
    ]
    assert run.finished
    about = {"seed": 1, "path": "~/rows.csv", "project": "tinydistill", "group": "g", "_Username": None}
    assert run.config == about
    assert capsys.readouterr().out == ""


def test_a_process_has_one_directory(runs, tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "elsewhere"))
    with pytest.raises(InputError, match=r"writes to .*trackio in this process already, not to .*elsewhere"):
        TrackioLogger(tmp_path / "trackio")


def test_without_trackio_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "trackio", None)
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path))
    with pytest.raises(InputError, match="trackio is not installed: pip install trackio"):
        TrackioLogger(tmp_path)
