import csv
import json
import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger, WandbLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from tinydistill.training import dashboards
from tinydistill.training.dashboards import Lineage, Product, TeachersLine, attention_picture

MADE = Product("student_sst2", "task", {"seed": 0}, "outputs/task/student_sst2")
TAKEN = Product("student", "general", {"seed": 0}, "outputs/general/student")


class FakeRun:
    """A run of W&B that notes what it is asked for."""

    def __init__(self, offline: bool, disabled: bool = False):
        self.offline, self.disabled = offline, disabled
        self.config, self.used, self.logged = {}, [], []

    def use_artifact(self, artifact):
        self.used.append(artifact)

    def log_artifact(self, artifact):
        self.logged.append(artifact)


@pytest.fixture
def runs(monkeypatch):
    def use(run: FakeRun) -> SimpleNamespace:
        monkeypatch.setattr(WandbLogger, "experiment", run)
        logger = WandbLogger.__new__(WandbLogger)
        return SimpleNamespace(loggers=[logger])

    return use


@pytest.fixture(autouse=True)
def caches(monkeypatch, tmp_path):
    for variable in dashboards._PLACES:
        monkeypatch.setenv(variable, str(tmp_path / "caches"))


def test_a_run_takes_and_makes_artifacts_that_hold_their_settings_alone(runs):
    run = FakeRun(offline=False)
    trainer = runs(run)
    lineage = Lineage(MADE, [TAKEN])
    lineage.on_fit_start(trainer, None)
    lineage.on_fit_end(trainer, None)
    (used,), (logged,) = run.used, run.logged
    assert (used.name, used.type, used.metadata) == ("student", "general", {"path": "outputs/general/student"})
    assert (logged.name, logged.type) == ("student_sst2", "task")
    assert list(used.manifest.entries) == ["settings.json"]
    assert used.size < 1000
    assert run.config == {"takes": ["general/student"]}


def test_what_one_run_makes_is_for_the_next_the_same_version(runs):
    first, second = FakeRun(offline=False), FakeRun(offline=False)
    Lineage(TAKEN, []).on_fit_end(runs(first), None)
    Lineage(MADE, [TAKEN]).on_fit_start(runs(second), None)
    assert first.logged[0].digest == second.used[0].digest
    other = Product(TAKEN.name, TAKEN.stage, {"seed": 1}, TAKEN.path)
    assert dashboards._artifact(other).digest != first.logged[0].digest


def test_offline_the_configuration_alone_says_what_is_taken(runs):
    run = FakeRun(offline=True)
    Lineage(MADE, [TAKEN]).on_fit_start(runs(run), None)
    assert run.used == []
    assert run.config == {"takes": ["general/student"]}


def test_a_disabled_run_is_asked_for_nothing(runs):
    run = FakeRun(offline=False, disabled=True)
    lineage = Lineage(MADE, [TAKEN])
    lineage.on_fit_start(runs(run), None)
    lineage.on_fit_end(runs(run), None)
    assert (run.used, run.logged, run.config) == ([], [], {})


def test_the_teachers_scores_are_logged_at_every_validation():
    logged = {}
    module = SimpleNamespace(log=logged.__setitem__)
    TeachersLine({"validation": {"f1": 0.9, "accuracy": None}}).on_validation_epoch_end(None, module)
    assert logged == {"teacher/validation/f1": 0.9}


def test_pictures_and_tables_reach_every_logger(tmp_path):
    loggers = [CSVLogger(tmp_path, name="csv"), TensorBoardLogger(tmp_path, name="tensorboard")]
    picture = np.zeros((4, 6, 3), np.uint8)
    picture[0, 0] = 255
    dashboards.log_picture(loggers, "attention", picture, 3)
    dashboards.log_table(loggers, "predictions", ["text", "label"], [["a | b", "yes"]])
    assert np.array_equal(np.asarray(Image.open(tmp_path / "attention.png")), picture)
    with (tmp_path / "predictions.csv").open() as file:
        assert list(csv.reader(file)) == [["text", "label"], ["a | b", "yes"]]
    loggers[1].experiment.flush()
    events = EventAccumulator(loggers[1].log_dir).Reload()
    assert events.Images("attention")[0].width == 6
    assert b"a \\| b" in events.Tensors("predictions/text_summary")[0].tensor_proto.string_val[0]


def test_w_and_b_gets_them_offline_too(tmp_path, monkeypatch):
    about = {"project": "p", "group": "g", "run_name": "n", "run_config": {"seed": 1}, "run_tags": ["stage:task"]}
    monkeypatch.setenv("WANDB_MODE", "offline")
    logger = dashboards.wandb_logger(tmp_path, **about)
    try:
        dashboards.log_picture([logger], "attention", np.zeros((4, 6, 3), np.uint8), 3)
        dashboards.log_table([logger], "predictions", ["text", "label"], [["a", "yes"]])
        assert (logger.experiment.tags, logger.experiment.group) == (("stage:task",), "g")
        lineage = Lineage(MADE, [TAKEN])
        trainer = SimpleNamespace(loggers=[logger])
        lineage.on_fit_start(trainer, None)
        lineage.on_fit_end(trainer, None)
        assert logger.experiment.config["takes"] == ["general/student"]
    finally:
        dashboards.finish([logger])
    assert list(tmp_path.rglob("attention*.png"))
    (table,) = tmp_path.rglob("offline-run-*/**/predictions*.table.json")
    assert json.loads(table.read_text())["data"] == [["a", "yes"]]


def test_caches_go_below_the_directory_unless_the_user_says_where(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_CACHE_DIR")
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "mine"))
    dashboards.keep_caches_below(tmp_path / "cache")
    assert os.environ["WANDB_CACHE_DIR"] == str(tmp_path / "cache")
    assert os.environ["WANDB_DATA_DIR"] == str(tmp_path / "mine")


@pytest.mark.parametrize("mode", [None, "disabled"])
def test_w_and_b_without_a_key_runs_offline_and_says_so(tmp_path, monkeypatch, capsys, mode):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.delenv("WANDB_MODE", raising=False) if mode is None else monkeypatch.setenv("WANDB_MODE", mode)
    for variable in dashboards._PLACES:
        monkeypatch.delenv(variable, raising=False)
    assert isinstance(dashboards.wandb_logger(tmp_path / "logs"), WandbLogger)
    said = capsys.readouterr().out
    assert ("logged offline" in said) is (mode is None)
    assert os.environ["WANDB_MODE"] == ("offline" if mode is None else mode)
    assert os.environ["WANDB_CACHE_DIR"].startswith(str(tmp_path))


def _looking(at: int, length: int = 6) -> Tensor:
    """Every token attends to one."""
    maps = torch.zeros(2, length, length)
    maps[:, :, at] = 1
    return maps


def test_a_picture_has_a_column_a_pair_with_the_teacher_above_and_the_student_below():
    picture = attention_picture([(_looking(0), _looking(5))])
    above, below = picture[:256], picture[-256:]
    assert above[128, -1].sum() < above[128, 0].sum()  # dark where the teacher looks: at the last token
    assert below[128, 0].sum() < below[128, -1].sum()
    assert attention_picture([(_looking(0), _looking(5))] * 2).shape == (2 * 256 + 8, 2 * 256 + 8, 3)
