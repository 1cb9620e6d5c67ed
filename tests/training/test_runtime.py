import os

import pytest
import torch
from pytorch_lightning.loggers import CSVLogger, WandbLogger

from tinydistill.training import runtime
from tinydistill.training.dashboards import _PLACES


def build(kinds, directory):
    return runtime.build_loggers(kinds, directory, project="p", group=None, name="n", values={"seed": 0})


def test_auto_precision_follows_the_hardware(monkeypatch):
    for fast, precision in ((True, "bf16-mixed"), (False, "32")):
        monkeypatch.setattr(runtime, "multiplies_bf16", lambda _accelerator, fast=fast: fast)
        assert runtime.resolve_precision("auto", "cpu") == precision
    assert runtime.resolve_precision("32", "cpu") == "32"


def test_a_processor_multiplies_bf16_when_it_says_so(monkeypatch):
    for capabilities, fast in (({"avx512_bf16": True}, True), ({"amx_bf16": True}, True), ({"avx2": True}, False)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda c=capabilities: c)
        assert runtime.multiplies_bf16("cpu") is fast


def test_no_logger_is_no_logger(tmp_path):
    assert build([], tmp_path) == []
    assert not list(tmp_path.iterdir())


def test_csv_logs_go_below_the_directory(tmp_path):
    (logger,) = build(["csv"], tmp_path)
    assert isinstance(logger, CSVLogger)
    assert logger.log_dir.startswith(str(tmp_path))


@pytest.mark.parametrize("mode", [None, "disabled"])
def test_wandb_without_a_key_runs_offline_and_says_so(tmp_path, monkeypatch, capsys, mode):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.delenv("WANDB_MODE", raising=False) if mode is None else monkeypatch.setenv("WANDB_MODE", mode)
    for variable in _PLACES:
        monkeypatch.delenv(variable, raising=False)
    (logger,) = build(["wandb"], tmp_path / "logs")
    assert isinstance(logger, WandbLogger)
    said = capsys.readouterr().out
    assert ("logged offline" in said) is (mode is None)
    assert os.environ["WANDB_MODE"] == ("offline" if mode is None else mode)
    assert os.environ["WANDB_CACHE_DIR"].startswith(str(tmp_path))


def test_the_last_checkpoint_is_found_where_the_trainer_leaves_it(tmp_path):
    assert runtime.last_checkpoint(tmp_path) is None
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").touch()
    assert runtime.last_checkpoint(tmp_path) == tmp_path / "checkpoints" / "last.ckpt"
