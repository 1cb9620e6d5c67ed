"""What lies in a directory of an interrupted run, or in the cache, is read as numbers; nothing in it is run."""

import pickle
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.models.test_directory import Alarm
from tests.stages.conftest import Cut
from tinydistill.distillation.layer_distiller import LayerDistiller


@pytest.fixture
def interrupted(arguments, command, cut) -> dict[str, str]:
    """The arguments of a run that was killed after it had saved a checkpoint."""
    cut(LayerDistiller, 6)
    with pytest.raises(Cut):  # upon which Lightning saves a checkpoint
        command(arguments)
    return arguments


def poisoned(tmp_path: Path, pattern: str, *, zipped: bool = False) -> Path:
    """Replaces the files of a pattern by pickles that would touch the path that is given back."""
    alarm = tmp_path / "alarm"
    files = list((tmp_path / "outputs").rglob(pattern))
    assert files
    for file in files:
        if zipped:
            torch.save({"state_dict": Alarm(alarm)}, file)
        elif file.suffix == ".npy":
            np.save(file, np.array([Alarm(alarm)], dtype=object), allow_pickle=True)
        else:
            file.write_bytes(pickle.dumps(Alarm(alarm)))
    return alarm


@pytest.mark.parametrize(
    ("pattern", "zipped"), [("*.ckpt", True), ("*.ckpt", False), ("*.npy", False), ("*.safetensors", False)]
)
def test_a_pickle_in_the_place_of_a_checkpoint_or_of_a_cache_is_never_run(
    interrupted, command, tmp_path, monkeypatch, pattern, zipped
):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")  # which turns torch's own default around
    alarm = poisoned(tmp_path, pattern, zipped=zipped)
    with suppress(Exception):  # another test's business
        command(interrupted)
    assert not alarm.exists()


def test_an_interrupted_run_goes_on_from_a_checkpoint_that_is_read_as_weights_only(interrupted, command, monkeypatch):
    load, asked = torch.load, []

    def watched(*args, **kwargs):
        asked.append(kwargs.get("weights_only"))
        return load(*args, **kwargs)

    monkeypatch.setattr(torch, "load", watched)
    code, out, err = command(interrupted)
    assert code == 0, err
    assert "going on from" in out
    assert asked
    assert all(asked)
