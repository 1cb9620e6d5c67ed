import multiprocessing
import os
from pathlib import Path

import pytest

from tinydistill.artifacts.files import read_json
from tinydistill.artifacts.writer import open_artifact
from tinydistill.errors import InputError, UserError

SETTINGS = {"seed": 0, "general": {"learning_rate": 0.001}}


def publish(path: Path, settings=SETTINGS, **options) -> dict:
    with open_artifact(path, settings, **options) as place:
        if place.result is None:
            place.product.mkdir()
            (place.product / "model.txt").write_text("weights")
            place.publish({"loss": 0.5}, {"stage": "general"})
        return place.result


def test_a_published_artifact_holds_product_result_and_provenance(tmp_path):
    assert publish(tmp_path / "a") == {"loss": 0.5}
    files = ["checksums.json", "model.txt", "provenance.json", "result.json"]
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == files
    provenance = read_json(tmp_path / "a" / "provenance.json")
    assert provenance["settings"] == SETTINGS
    assert provenance["configuration"] == {"stage": "general"}
    assert {"versions", "finished", "command", "machine"} <= provenance.keys()


def test_nothing_but_the_artifact_is_left(tmp_path):
    publish(tmp_path / "a")
    assert [p.name for p in tmp_path.iterdir() if not p.name.startswith(".")] == ["a"]


def test_a_finished_artifact_with_the_same_settings_is_returned(tmp_path):
    publish(tmp_path / "a")
    with open_artifact(tmp_path / "a", SETTINGS) as place:
        assert place.result == {"loss": 0.5}


def test_other_settings_are_an_error_that_shows_the_difference(tmp_path):
    publish(tmp_path / "a")
    other = {"seed": 0, "general": {"learning_rate": 0.01}}
    with pytest.raises(InputError, match=r"learning_rate: 0.001 -> 0.01\): keep it with path=DIR or .* overwrite=true"):
        publish(tmp_path / "a", other)
    assert publish(tmp_path / "a", other, overwrite=True) == {"loss": 0.5}
    assert read_json(tmp_path / "a" / "provenance.json")["settings"] == other


def test_always_makes_a_finished_or_unfinished_one_anew(tmp_path):
    publish(tmp_path / "a")
    for _ in range(2):
        with pytest.raises(RuntimeError), open_artifact(tmp_path / "a", SETTINGS, overwrite="always") as place:
            assert place.result is None
            assert not (place.work / "checkpoint").exists()
            (place.work / "checkpoint").write_text("half")
            raise RuntimeError("cut off")
    with open_artifact(tmp_path / "a", SETTINGS) as place:
        assert place.result == {"loss": 0.5}


def test_an_unfinished_run_is_gone_on_with(tmp_path):
    with pytest.raises(RuntimeError), open_artifact(tmp_path / "a", SETTINGS) as place:
        (place.work / "checkpoint").write_text("half")
        raise RuntimeError("cut off")
    assert not (tmp_path / "a").exists()
    with open_artifact(tmp_path / "a", SETTINGS) as place:
        assert (place.work / "checkpoint").read_text() == "half"


def test_an_unfinished_run_with_other_settings_is_kept_unless_told_otherwise(tmp_path):
    with pytest.raises(RuntimeError), open_artifact(tmp_path / "a", SETTINGS) as place:
        (place.work / "checkpoint").write_text("half")
        raise RuntimeError("cut off")
    with pytest.raises(InputError, match="unfinished run with other settings .*seed: 0 -> 1"):
        publish(tmp_path / "a", {**SETTINGS, "seed": 1})
    with open_artifact(tmp_path / "a", {**SETTINGS, "seed": 1}, overwrite=True) as place:
        assert not (place.work / "checkpoint").exists()


@pytest.mark.parametrize("error", [InputError, UserError])
def test_a_mistake_of_the_user_leaves_nothing_behind(tmp_path, error):
    with pytest.raises(error), open_artifact(tmp_path / "a", SETTINGS):
        raise error("the corpus is empty")
    assert [p for p in tmp_path.iterdir() if not p.name.startswith(".")] == []


def test_a_directory_that_is_no_artifact_is_never_touched(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "thesis.txt").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(InputError, match="is no artifact of tinydistill: choose another place with path=DIR"):
            publish(tmp_path / "a", overwrite=overwrite)
    assert (tmp_path / "a" / "thesis.txt").read_text() == "mine"


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"can't write to .*file.*: choose another place with path=DIR"):
        publish(tmp_path / "file" / "a")


def _count(path: Path, made: Path) -> None:
    with open_artifact(path, SETTINGS) as place:
        if place.result is None:
            (made / str(os.getpid())).touch()
            place.publish({"loss": 0.5}, {})


def test_two_processes_make_the_same_artifact_once(tmp_path):
    made = tmp_path / "made"
    made.mkdir()
    context = multiprocessing.get_context("fork")
    jobs = [context.Process(target=_count, args=(tmp_path / "a", made)) for _ in range(4)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert [job.exitcode for job in jobs] == [0] * 4
    assert len(list(made.iterdir())) == 1
