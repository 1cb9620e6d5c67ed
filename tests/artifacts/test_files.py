"""Files are whole or not there, and what has changed since it was written is noticed."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest

from tests.damage import cut, empty, zero
from tinydistill.artifacts import files
from tinydistill.artifacts.files import (
    CHECKSUMS,
    DamagedError,
    archive_damage,
    built_once,
    check,
    damage,
    kept,
    read_json,
    read_sealed,
    seal,
    write_json,
    write_sealed,
    written,
)
from tinydistill.errors import InputError, RunError

CONTENT = {"mapping": [2, None, 4], "before": {"loss": 0.125, "ü": 1e-9}, "one": True}


def flip(file: Path, at: float = 0.5) -> None:
    """Flips a bit in the middle, or at another share of the file."""
    data = bytearray(file.read_bytes())
    data[int(at * (len(data) - 1))] ^= 1
    file.write_bytes(data)


def grow(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"more")


def nested(file: Path) -> None:
    file.write_text("[" * 100_000)


@pytest.fixture(autouse=True)
def never_looked_at():
    """A file that is changed within a tick of the clock looks unchanged."""
    files._crc.cache_clear()


DAMAGES = [flip, cut, zero, empty, grow]


@pytest.mark.parametrize("damaged", [*DAMAGES, nested], ids=lambda one: one.__name__)
def test_a_sealed_file_that_has_changed_counts_as_none_and_that_is_said(damaged, tmp_path, capsys):
    file = tmp_path / "start.json"
    assert kept(file, "it is made again") is None
    write_sealed(file, CONTENT)
    assert str(kept(file, "")) == str(CONTENT)
    damaged(file)
    capsys.readouterr()
    assert kept(file, "it is made again") is None
    assert capsys.readouterr().out == f"{file} is damaged: it is made again\n"


@pytest.mark.parametrize("content", ["{}", "[]", "1", "null", '{"crc32": 1}', '{"crc32": null, "a": 1}', '{"a": 1}'])
def test_json_that_tinydistill_did_not_seal_is_not_taken(content, tmp_path):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DamagedError, match="is damaged, or not tinydistill's"):
        read_sealed(tmp_path / "a.json")


def test_keys_that_are_numbers_are_sealed_as_they_are_read(tmp_path):
    write_sealed(tmp_path / "a.json", {10: "a", 9: (1, 2)})
    assert read_sealed(tmp_path / "a.json") == {"10": "a", "9": [1, 2]}


def test_a_file_is_on_the_disk_before_it_takes_its_place(tmp_path, monkeypatch):
    done, replace = [], Path.replace
    monkeypatch.setattr(files, "_onto_disk", lambda path: done.append(("synced", path.name)))
    monkeypatch.setattr(Path, "replace", lambda path, to: (done.append(("moved", path.name)), replace(path, to))[1])
    write_json(tmp_path / "a.json", {})
    (partial,) = {name for _, name in done[:2]}
    assert partial.endswith("a.json")
    assert done == [("synced", partial), ("moved", partial), ("synced", tmp_path.name)]


@pytest.mark.parametrize("error", [RuntimeError("a bug"), KeyboardInterrupt(), OSError(errno.ENOSPC, "No space")])
def test_a_file_that_could_not_be_written_leaves_the_one_before(error, tmp_path):
    write_json(tmp_path / "a.json", 1)
    expected = RunError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected), written(tmp_path / "a.json") as partial:
        partial.write_text("half")
        raise error
    assert read_json(tmp_path / "a.json") == 1
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def entry(place: Path, built: list[str] | None = None) -> Path:
    def build(work: Path) -> None:
        if built is not None:
            built.append(work.name)
        np.save(work / "train.npy", np.arange(5000))
        write_json(work / "summary.json", {"blocks": 5000})

    return built_once(place / "blocks", build)


@pytest.mark.parametrize("name", ["train.npy", "summary.json", CHECKSUMS])
@pytest.mark.parametrize("damaged", [*DAMAGES, Path.unlink], ids=lambda one: one.__name__)
def test_a_damaged_entry_of_a_cache_is_built_again_and_that_is_said(name, damaged, tmp_path, capsys):
    built: list[str] = []
    damaged(entry(tmp_path, built) / name)
    files._crc.cache_clear()
    capsys.readouterr()
    again = entry(tmp_path, built)
    assert len(built) == 2
    assert f"{again} is damaged (" in capsys.readouterr().out
    assert np.load(again / "train.npy").sum() == np.arange(5000).sum()
    entry(tmp_path, built)
    assert len(built) == 2


def test_an_entry_is_looked_at_once_by_a_process(tmp_path, monkeypatch):
    entry(tmp_path)
    entry(tmp_path)
    monkeypatch.setattr(files.zlib, "crc32", lambda *_: pytest.fail("read again"))
    entry(tmp_path)


def test_an_entry_without_checksums_of_an_older_version_is_built_again(tmp_path):
    built: list[str] = []
    (tmp_path / "blocks").mkdir()
    entry(tmp_path, built)
    assert len(built) == 1


@pytest.mark.parametrize(("at", "seen"), [(0, True), (0.999, True), (0.5, True), ("piece", False)])
def test_of_a_very_large_file_pieces_all_over_it_are_looked_at(at, seen, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "WHOLE", 1 << 16)
    monkeypatch.setattr(files, "PIECE", 16)
    data = np.zeros(1 << 20, np.uint8)
    (tmp_path / "large").write_bytes(data.tobytes())
    seal(tmp_path)
    place = 100 if at == "piece" else int(at * len(data)) // 1024 * 1024
    data[place] = 1
    files._crc.cache_clear()
    (tmp_path / "large").write_bytes(data.tobytes())
    assert (damage(tmp_path) is not None) is seen


@pytest.mark.parametrize("content", ["{}", "[]", '{"a.json": "d41d8cd9"}', '{"algorithm": "md5", "files": {}}'])
def test_another_tools_checksums_say_nothing(content, tmp_path):
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / CHECKSUMS).write_text(content)
    check(tmp_path)


def test_what_nobody_asks_for_is_not_looked_at(tmp_path):
    for name in ("result.json", "README.md"):
        (tmp_path / name).write_text("text")
    seal(tmp_path)
    (tmp_path / "README.md").write_text("mine")
    check(tmp_path, lambda name: name.endswith(".json"))
    with pytest.raises(DamagedError, match="README.md isn't as it was written: make it again with overwrite=true"):
        check(tmp_path)
    (tmp_path / CHECKSUMS).unlink()
    check(tmp_path)


@pytest.mark.parametrize("damaged", [flip, cut, zero, empty], ids=lambda one: one.__name__)
def test_a_damaged_archive_is_told_from_a_whole_one(damaged, tmp_path):
    np.savez(tmp_path / "a.npz", a=np.arange(1000))
    assert archive_damage(tmp_path / "a.npz") is None
    damaged(tmp_path / "a.npz")
    assert archive_damage(tmp_path / "a.npz")


def test_what_a_build_raises_is_raised_and_leaves_nothing(tmp_path):
    def build(work: Path) -> None:
        (work / "half").write_text("half")
        raise InputError("the corpus is empty")

    with pytest.raises(InputError, match="the corpus is empty"):
        built_once(tmp_path / "blocks", build)
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == []


def test_checksums_are_plain_to_read(tmp_path):
    made = entry(tmp_path)
    assert json.loads((made / CHECKSUMS).read_text()).keys() == {"train.npy", "summary.json"}
