"""What a disk refuses is one line, whatever library it was refused to."""

import errno
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from tests.conftest import bert
from tinydistill.artifacts.disk import check_place, refused, writing
from tinydistill.artifacts.files import built_once, write_json
from tinydistill.config.errors import exit_code, explain
from tinydistill.errors import InputError, RunError, UserError
from tinydistill.training.checkpoints import WholeCheckpoints

MANY = np.arange(1 << 19, dtype=np.float64)


def text(place: Path) -> None:
    with (place / "a.txt").open("w") as file:
        file.write("text" * len(MANY))


def copied(place: Path) -> None:
    shutil.copytree(place.parent / "logs", place / "logs")


def dataset(place: Path) -> None:
    import datasets

    datasets.disable_progress_bars()
    datasets.Dataset.from_dict({"a": MANY}).save_to_disk(place / "rows")


WRITERS = {
    "text": text,
    "copytree": copied,
    "np.save": lambda place: np.save(place / "a.npy", MANY),
    "np.savez": lambda place: np.savez(place / "a.npz", a=MANY),
    "torch.save": lambda place: torch.save(torch.tensor(MANY), place / "a.pt"),
    "save_file": lambda place: save_file({"a": torch.tensor(MANY)}, place / "a.safetensors"),
    "save_pretrained": lambda place: bert(2, 512).save_pretrained(place / "model"),
    "parquet": lambda place: pq.write_table(pa.table({"a": MANY}), place / "a.parquet"),
    "csv": lambda place: pd.DataFrame({"a": MANY}).to_csv(place / "a.csv"),
    "datasets": dataset,
    "json": lambda place: write_json(place / "a.json", MANY.tolist()),
    "cache": lambda place: built_once(place / "e", lambda work: np.save(work / "a.npy", MANY)),
    "checkpoint": lambda place: WholeCheckpoints().save_checkpoint({"a": torch.tensor(MANY)}, place / "last.ckpt"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_one_line_that_names_it(name, small_disk, tmp_path):
    place = small_disk("1m")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.csv").write_bytes(MANY.tobytes())
    with pytest.raises(RunError) as told, writing(place):
        WRITERS[name](place)
    assert explain(told.value).startswith(f"the disk has no room for {place}")
    assert " MB are free" in str(told.value)
    assert exit_code(told.value) == 1
    assert not list(place.rglob("*partial*"))


def test_a_checkpoint_says_how_much_it_needs(small_disk):
    with pytest.raises(RunError, match=r"1\.0 MB are free, 4\.2 MB needed; make room"):
        WRITERS["checkpoint"](small_disk("1m"))


@pytest.mark.parametrize("name", ["text", "np.save", "json", "cache", "checkpoint"])
def test_a_read_only_disk_is_one_line_that_names_it(name, small_disk):
    place = small_disk("1m", read_only=True)
    with pytest.raises(RunError, match=f"can't use {place}.* \\(Read-only file system\\)") as told, writing(place):
        WRITERS[name](place)
    assert exit_code(told.value) == 2


def caused(error: Exception, cause: Exception, *, context: bool = False) -> Exception:
    try:
        try:
            raise cause
        except Exception as one:
            if context:
                raise error  # noqa: B904
            raise error from one
    except Exception as raised:
        return raised


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FULL, 1),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 1),
        (OSError("1048576 requested and 262112 written"), 1),
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"), 1),
        (RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"), 1),
        (shutil.Error([("a", "b", "[Errno 28] No space left on device: 'b'")]), 1),
        (caused(RuntimeError("can't save"), FULL), 1),
        (caused(RuntimeError("on_exception failed"), FULL, context=True), 1),
        (PermissionError(errno.EACCES, "Permission denied", "/data/rows.csv"), 2),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "/data/rows.csv/x"), 2),
        (OSError(errno.EROFS, "Read-only file system", "/data/x"), 2),
        (RunError("the loss isn't finite"), 1),
    ],
    ids=lambda one: str(one)[:40],
)
def test_refusals_are_told_with_their_exit_codes(error, code):
    assert explain(error)
    assert exit_code(error) == code


@pytest.mark.parametrize(
    "error", [RuntimeError("a bug"), OSError("odd"), KeyError(28), FileNotFoundError(errno.ENOENT, "No such file", "a")]
)
def test_other_errors_are_none_of_the_disk(error):
    assert refused(error, Path("/")) is None
    assert explain(error) is None


@pytest.mark.parametrize("error", [InputError("a row is empty"), UserError("seed=-1")])
def test_a_mistake_stays_one_though_the_disk_was_asked_before(error):
    assert refused(caused(error, FULL), Path("/")) is None


def test_a_place_is_judged_by_what_is_there_of_it(small_disk, tmp_path):
    (tmp_path / "file").write_text("")
    check_place(tmp_path / "a" / "b", "f.cache")
    assert not (tmp_path / "a").exists()
    with pytest.raises(InputError, match=r"can't write to .*file/a: .*file is no directory: .* cache=DIR"):
        check_place(tmp_path / "file" / "a", "f.cache")
    place = small_disk("1m", read_only=True)
    with pytest.raises(InputError, match=f"can't write to {place}: "):
        check_place(place / "a" / "b", "f.cache")


def test_where_a_run_failed_is_added_to_its_line_and_its_code_stays():
    error = RunError("can't use /cache (Read-only file system)", code=2).within("prediction phase").within("stage=task")
    assert (str(error), error.code) == ("stage=task, prediction phase, can't use /cache (Read-only file system)", 2)
