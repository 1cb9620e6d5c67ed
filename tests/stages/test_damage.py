"""Damage, full and read-only disks as the command line meets them: one line, and the same command goes on."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.artifacts.test_files import cut as cut_short
from tests.artifacts.test_files import zero
from tests.stages.conftest import Cut, changed
from tinydistill.artifacts import files
from tinydistill.distillation.layer_distiller import LayerDistiller
from tinydistill.training import checkpoints

LINE = "tinydistill: error: "


@pytest.fixture(autouse=True)
def never_looked_at():
    """A file that is changed within a tick of the clock looks unchanged."""
    files._crc.cache_clear()
    checkpoints._wrong.cache_clear()


def slow(*rows: tuple) -> list:
    return [pytest.param(*row, marks=pytest.mark.slow) for row in rows]


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    for place in range(len(data) // 3, 2 * len(data) // 3, max(1, len(data) // 600)):
        data[place] ^= 4
    file.write_bytes(data)


def not_a_number(file: Path) -> None:
    states = torch.load(file, weights_only=True)
    next(iter(states["state_dict"].values())).view(-1)[0] = float("nan")
    torch.save(states, file)


@pytest.fixture(scope="module")
def cut_runs(tmp_path_factory) -> dict[str, Path]:
    """Where a run that wasn't cut ended, and one that was stands; made by the first test that asks."""
    return {}


@pytest.fixture
def cut_run(cut_runs, arguments, command, cut, tmp_path, monkeypatch, tmp_path_factory):
    """A general run that was cut after checkpoints at steps 3 and 6, in a place of its own; and what it becomes."""
    arguments = {
        **arguments,
        "+callbacks.checkpoint.every_n_train_steps": "3",
        "callbacks.checkpoint.train_time_interval": "null",
        "callbacks.checkpoint.save_on_exception": "false",
    }
    if not cut_runs:
        place = tmp_path_factory.mktemp("cut")
        code, _, err = command({**arguments, "output_dir": str(place / "whole" / "student")})
        assert code == 0, err
        with monkeypatch.context() as patched:
            step = LayerDistiller.training_step

            def training_step(self, batch, batch_idx):
                if batch_idx == 7:
                    raise Cut
                return step(self, batch, batch_idx)

            patched.setattr(LayerDistiller, "training_step", training_step)
            with pytest.raises(Cut):
                command({**arguments, "output_dir": str(place / "cut" / "student")})
        shutil.move(tmp_path / "outputs", place / "outputs")
        cut_runs["place"] = place
    place = cut_runs["place"]
    shutil.copytree(place / "cut", tmp_path / "outputs", dirs_exist_ok=True)
    shutil.copytree(place / "outputs", tmp_path / "outputs", dirs_exist_ok=True)
    return arguments, tmp_path / "outputs" / "student.unfinished", load_file(place / "whole/student/model.safetensors")


def same(weights: dict, output: Path) -> bool:
    return all(weights[name].equal(value) for name, value in load_file(output / "model.safetensors").items())


LAST, PREVIOUS = "checkpoints/last.ckpt", "checkpoints/previous.ckpt"
INTERRUPTED = [
    ((LAST,), flip, r"last.ckpt is damaged \(.*\): going on from previous.ckpt"),
    (("start.json",), flip, "start.json is damaged: it is made again"),
    *slow(
        ((), flip, "going on from .*last.ckpt"),
        ((LAST,), cut_short, r"last.ckpt is damaged \(.*\): going on from previous.ckpt"),
        ((LAST,), not_a_number, r"last.ckpt is damaged \(.* isn't finite\): going on from previous.ckpt"),
        ((LAST, PREVIOUS), flip, r"last.ckpt is damaged \(.*\): training begins anew"),
        (("start.json",), cut_short, "start.json is damaged: it is made again"),
        (("start.json", LAST), zero, "start.json is damaged: it is made again"),
    ),
]


@pytest.mark.parametrize(("names", "damaged", "said"), INTERRUPTED)
def test_a_run_that_goes_on_from_damaged_files_says_so_and_ends_the_same(names, damaged, said, cut_run, command):
    arguments, work, weights = cut_run
    for name in names:
        damaged(work / name)
    code, out, err = command(arguments)
    assert code == 0, err
    assert re.search(said, out), out
    assert same(weights, Path(arguments["output_dir"]))
    assert not work.exists()


CACHED = [
    ("blocks-*/train.npy", flip),
    ("identity-*.json", flip),
    ("start-*/student.safetensors", zero),
    *slow(
        ("blocks-*/train.npy", cut_short),
        ("blocks-*/heldout.npy", zero),
        ("blocks-*/summary.json", cut_short),
        ("blocks-*/checksums.json", flip),
        ("identity-*.json", cut_short),
        ("start-*/student.safetensors", flip),
        ("start-*/left.json", cut_short),
    ),
]


@pytest.mark.parametrize(("pattern", "damaged"), CACHED)
def test_what_is_damaged_in_the_cache_is_made_again(pattern, damaged, cut_run, command, tmp_path):
    arguments, work, weights = cut_run
    shutil.rmtree(work)
    (file,) = Path(tmp_path / "outputs" / "cache").glob(pattern)
    damaged(file)
    code, out, err = command(arguments)
    assert code == 0, err
    named = file if file.parent.name == "cache" else file.parent
    assert f"{named} is damaged" in out
    assert "again" in out
    assert same(weights, Path(arguments["output_dir"]))


def zero_logits(file: Path) -> None:
    logits = np.load(file)
    np.save(file, np.zeros_like(logits))


def test_what_is_damaged_of_a_task_in_the_cache_is_made_again(distillation_arguments, command, tmp_path):
    arguments = changed(distillation_arguments, intermediate__epochs="1", prediction__epochs="1")
    assert command({**arguments, "output_dir": str(tmp_path / "a")})[0] == 0
    weights = load_file(tmp_path / "a" / "model.safetensors")
    damages: dict[str, Callable[[Path], None]] = {"logits-*/logits.npy": zero_logits, "task-*/pieces.npy": flip}
    for pattern, damaged in damages.items():
        for file in Path(tmp_path / "outputs" / "cache").glob(pattern):
            damaged(file)
    files._crc.cache_clear()
    code, out, err = command({**arguments, "output_dir": str(tmp_path / "b")})
    assert code == 0, err
    assert out.count("is damaged") >= 4  # both of both splits
    assert same(weights, tmp_path / "b")


@pytest.mark.parametrize("name", ["report.json", pytest.param("trained.safetensors", marks=pytest.mark.slow)])
def test_a_finished_phase_that_is_damaged_is_done_again(name, distillation_arguments, command, cut, tmp_path):
    from tinydistill.distillation.logit_distiller import LogitDistiller

    output = tmp_path / "outputs" / "made"
    arguments = {**changed(distillation_arguments, intermediate__epochs="1"), "output_dir": str(output)}
    cut(LogitDistiller, 1)
    with pytest.raises(Cut):
        command(arguments)
    flip(output.with_name("made.unfinished") / "made-intermediate" / name)
    code, out, err = command(arguments)
    assert code == 0, err
    assert f"made-intermediate/{name} is damaged: this is done again" in out


ARTIFACT = [
    ("result.json", cut_short),
    ("result.json", flip),
    ("model.safetensors", cut_short),
    ("checksums.json", cut_short),
    *slow(
        ("provenance.json", cut_short),
        ("provenance.json", zero),
        ("model.safetensors", flip),
        ("model.safetensors", zero),
        ("config.json", flip),
        ("tokenizer.json", flip),
    ),
]


@pytest.mark.parametrize(("name", "damaged"), ARTIFACT)
def test_a_damaged_artifact_is_named_whatever_looks_at_it(name, damaged, cut_run, command, cut_runs, tmp_path):
    arguments, work, _ = cut_run
    shutil.rmtree(work)
    made = Path(arguments["output_dir"])
    shutil.copytree(cut_runs["place"] / "whole" / "student", made)
    damaged(made / name)
    as_teacher = {**arguments, "teacher.path": str(made), "output_dir": str(tmp_path / "other")}
    as_student = {**arguments, "student.path": str(made), "output_dir": str(tmp_path / "other")}
    for looks in (arguments, as_teacher, as_student):
        code, _, err = command(looks)
        assert code == 2
        assert err.count("\n") == 1
        assert err.startswith(f"{LINE}{made} is damaged: {name} is")
        assert "make it again with overwrite=true" in err
        assert not (tmp_path / "other").exists()
    if name in ("result.json", "provenance.json"):
        code, _, err = command({"stage": "report", "report.paths": f"[{made}]", "paths.outputs": str(tmp_path / "o")})
        assert (code, err.count("\n")) == (2, 1)
        assert f"{made} is damaged: {name} is" in err


def test_a_damaged_artifact_is_made_again_with_overwrite(cut_run, command, cut_runs):
    arguments, work, weights = cut_run
    shutil.rmtree(work)
    made = Path(arguments["output_dir"])
    shutil.copytree(cut_runs["place"] / "whole" / "student", made)
    flip(made / "model.safetensors")
    code, out, err = command({**arguments, "overwrite": "true"})
    assert code == 0, err
    assert f"{made} is damaged: model.safetensors isn't as it was written: it is made again" in out
    assert same(weights, made)


@pytest.mark.parametrize("left", [320, *slow((0,), (4,), (16,), (48,), (96,), (160,), (448,), (512,))])
def test_a_disk_that_fills_is_one_line_and_the_same_command_goes_on_when_there_is_room(
    left, cut_run, command, small_disk, tmp_path
):
    arguments, work, weights = cut_run
    shutil.rmtree(work)
    place = small_disk("8m")
    arguments = {
        **arguments,
        "output_dir": str(place / "student"),
        "paths.cache": str(place / "cache"),
    }
    filler = filled(place, left * 1024)
    code, _, err = command(arguments)
    if code == 0:  # all of it found room
        assert left >= 512
        return
    assert code == 1, err
    errors = [line for line in err.splitlines() if line.startswith(LINE)]
    assert len(errors) == 1, err
    assert errors[0].startswith(f"{LINE}stage=general, the disk has no room for {place}")
    assert "Traceback" not in err
    assert not (place / "student").exists()
    filler.unlink()
    code, _, err = command(arguments)
    assert code == 0, err
    assert same(weights, place / "student")
    assert not (place / "student.unfinished").exists()


@pytest.mark.parametrize("option", ["output_dir", "paths.cache", "paths.outputs"])
@pytest.mark.parametrize("kind", ["read-only", "a file"])
def test_a_place_that_cannot_be_written_is_one_line_before_any_work(
    option, kind, arguments, command, small_disk, tmp_path, monkeypatch
):
    monkeypatch.setattr("tinydistill.models.loading.locate", lambda *_, **__: pytest.fail("work has begun"))
    if kind == "a file":
        place = tmp_path / "file"
        place.write_text("mine")
    else:
        place = small_disk("1m", read_only=True)
    changes = {option: str(place / "made")} | ({"output_dir": None} if option == "paths.outputs" else {})
    code, out, err = command({**arguments, **changes})
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith(f"{LINE}can't write to {place}")
    assert err.endswith(f"{'paths.cache' if option == 'paths.cache' else 'output_dir'}=DIR\n")


def filled(place: Path, left: int = 0) -> Path:
    """A file that leaves so many bytes of a disk."""
    with (place / "filler").open("wb", buffering=0) as file:
        file.write(bytes(shutil.disk_usage(place).free - left))
    return place / "filler"


@pytest.mark.parametrize(("kind", "expected"), [("full", 1), ("nearly full", 1), ("read-only", 2)])
def test_a_sweep_ends_in_lines_too_where_its_disk_refuses(kind, expected, arguments, command, small_disk):
    place = small_disk("1m", read_only=kind == "read-only")
    if kind != "read-only":
        filled(place, left=0 if kind == "full" else 40_000)
    sweep = {"hydra.mode": "MULTIRUN", "general.learning_rate": "1e-3,2e-3", "paths.outputs": str(place)}
    code, _, err = command({**arguments, **sweep, "output_dir": None})
    assert code == expected, err
    assert "Traceback" not in err
    said = "the disk has no room" if expected == 1 else "Read-only file system"
    assert said in err


@pytest.mark.parametrize("name", ["thesis.unfinished", ".thesis.replaced"])
def test_a_directory_of_the_user_beside_the_output_stays(name, arguments, command, tmp_path):
    (tmp_path / name).mkdir()
    (tmp_path / name / "chapter.txt").write_text("mine")
    code, _, err = command({**arguments, "output_dir": str(tmp_path / "thesis")})
    assert (tmp_path / name / "chapter.txt").read_text() == "mine"
    if name == "thesis.unfinished":
        assert code == 2
        assert f"{tmp_path / name}, where this would work, is none of tinydistill's" in err
        assert err.endswith("choose another place with output_dir=DIR\n")
    else:
        assert code == 0, err


def test_the_checksums_of_an_artifact_are_those_of_all_its_files(cut_run, cut_runs):
    made = cut_runs["place"] / "whole" / "student"
    known = json.loads((made / "checksums.json").read_text())
    there = {file.relative_to(made).as_posix() for file in made.rglob("*") if file.is_file()}
    assert known.keys() == there - {"checksums.json"}
