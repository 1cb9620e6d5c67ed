"""A damaged checkpoint is noticed, and the one before it gone on from."""

import os
import zipfile
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch

from tests.damage import cut, empty, zero
from tinydistill.errors import RunError
from tinydistill.training import checkpoints
from tinydistill.training.checkpoints import WholeCheckpoints, best_checkpoint, last_checkpoint, load_best


def state(step: int, weight: float = 1.0) -> dict:
    return {"global_step": step, "state_dict": {"weight": torch.full((1000,), weight), "extra": [1]}}


def save(directory: Path, *steps: int, name: str = "last.ckpt") -> Path:
    for step in steps:
        WholeCheckpoints().save_checkpoint(state(step), directory / "checkpoints" / name)
    return directory / "checkpoints" / name


def flip_weights(file: Path) -> None:
    data = bytearray(file.read_bytes())
    with zipfile.ZipFile(file) as archive:
        member = next(one for one in archive.infolist() if one.filename.endswith("/data/0"))
    for i in range(200):
        data[member.header_offset + 200 + 10 * i] ^= 4
    file.write_bytes(data)


def flip_pickle(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[data.index(b"global_step") + 3] ^= 1
    file.write_bytes(data)


def cut_a_byte(file: Path) -> None:
    os.truncate(file, file.stat().st_size - 1)


def not_a_number(file: Path) -> None:
    torch.save(state(6, float("nan")), file)


def infinite(file: Path) -> None:
    torch.save(state(6) | {"current_model_state": {"weight": torch.tensor([1.0, float("inf")])}}, file)


DAMAGES = [flip_weights, flip_pickle, cut, cut_a_byte, empty, zero, not_a_number, infinite]
each_damage = pytest.mark.parametrize("damaged", DAMAGES, ids=lambda one: one.__name__)


@pytest.fixture(autouse=True)
def never_looked_at():
    checkpoints._wrong.cache_clear()


def step_of(file: Path | None) -> int | None:
    return None if file is None else torch.load(file, weights_only=True)["global_step"]


def test_of_checkpoints_the_last_and_the_one_before_it_are_kept(tmp_path):
    save(tmp_path, 3)
    assert step_of(last_checkpoint(tmp_path)) == 3
    save(tmp_path, 6, 9)
    assert step_of(last_checkpoint(tmp_path)) == 9
    assert step_of(tmp_path / "checkpoints" / "previous.ckpt") == 6
    save(tmp_path, 1, 2, name="best.ckpt")
    assert len(list((tmp_path / "checkpoints").iterdir())) == 3


@each_damage
def test_from_a_damaged_checkpoint_a_run_falls_back_to_the_one_before(damaged, tmp_path, capsys):
    damaged(save(tmp_path, 3, 6))
    assert step_of(last_checkpoint(tmp_path)) == 3
    assert "last.ckpt is damaged (" in (said := capsys.readouterr().out)
    assert said.endswith("): going on from previous.ckpt\n")
    assert step_of(last_checkpoint(tmp_path)) == 3
    assert capsys.readouterr().out == ""
    save(tmp_path, 9)
    assert step_of(tmp_path / "checkpoints" / "previous.ckpt") == 3


@each_damage
def test_with_both_damaged_training_begins_anew(damaged, tmp_path, capsys):
    save(tmp_path, 3, 6)
    for name in ("last.ckpt", "previous.ckpt"):
        damaged(tmp_path / "checkpoints" / name)
    assert last_checkpoint(tmp_path) is None
    assert capsys.readouterr().out.count("training begins anew") == 2


@each_damage
def test_with_the_best_weights_damaged_training_begins_anew(damaged, tmp_path, capsys):
    save(tmp_path, 3, 6)
    damaged(save(tmp_path, 3, name="best.ckpt"))
    assert last_checkpoint(tmp_path) is None
    assert "best.ckpt is damaged (" in (said := capsys.readouterr().out)
    assert said.endswith("): training begins anew\n")
    assert not list((tmp_path / "checkpoints").iterdir())


def test_best_weights_that_are_damaged_in_the_end_are_not_published(tmp_path):
    best = best_checkpoint(tmp_path, "score")
    trainer = pl.Trainer(accelerator="cpu", logger=False, callbacks=[best], default_root_dir=tmp_path)
    best.best_model_path = str(save(tmp_path, 3, name="best.ckpt"))
    flip_weights(Path(best.best_model_path))
    with pytest.raises(RunError, match=r"best.ckpt is damaged \(.*\): the same command trains anew"):
        load_best(trainer, torch.nn.Linear(1, 1))


def test_what_a_killed_run_left_half_written_is_cleared(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / ".partial-0123-last.ckpt").write_text("half")
    save(tmp_path, 3)
    assert [file.name for file in (tmp_path / "checkpoints").iterdir()] == ["last.ckpt"]


def test_a_disk_that_fills_leaves_both_checkpoints(small_disk):
    place = small_disk("100k")
    save(place, 3, 6)
    with (place / "full").open("wb", buffering=0) as file:
        file.write(bytes(1 << 17))
    with pytest.raises(RunError, match="no room for .*last.ckpt: .* MB needed"):
        save(place, 9)
    assert step_of(last_checkpoint(place)) == 6
    assert step_of(place / "checkpoints" / "previous.ckpt") == 3
    (place / "full").unlink()
    save(place, 9)
    assert step_of(last_checkpoint(place)) == 9
