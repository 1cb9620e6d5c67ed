import multiprocessing
import os
from pathlib import Path

import pytest

from tinydistill.artifacts.files import read_json, written
from tinydistill.artifacts.writer import open_artifact
from tinydistill.errors import InputError, RunError, UserError

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


def test_files_of_other_content_are_told_without_their_hashes(tmp_path):
    publish(tmp_path / "a", {"inputs": {"task": "0" * 64}})
    with pytest.raises(InputError, match=r"other settings \(inputs.task: other content\)"):
        publish(tmp_path / "a", {"inputs": {"task": "1" * 64}})


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


def test_what_a_run_that_was_killed_while_it_wrote_has_left_is_not_published(tmp_path):
    with pytest.raises(RuntimeError), open_artifact(tmp_path / "a", SETTINGS) as place:
        place.product.mkdir()
        with written(place.product / "provenance.json") as partial:
            partial.touch()
            left = partial.name
        (place.product / left).write_text("{")
        raise RuntimeError("killed")
    with open_artifact(tmp_path / "a", SETTINGS) as place:
        assert (place.product / left).exists()
        place.publish({"loss": 0.5}, {"stage": "general"})
    assert not (tmp_path / "a" / left).exists()


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


UNMARKED = [
    # what is there before, relative to its directory; what stands in the way; the options of the run
    (["a.unfinished/thesis.txt"], "a.unfinished, where this would work, is none of tinydistill's", {}),
    (["a.unfinished/settings.json"], "a.unfinished, where this would work, is none", {"overwrite": "always"}),
    (["a.unfinished/deep/er/thesis.txt"], "a.unfinished, where this would work, is none", {"overwrite": True}),
    (["a.unfinished"], "a.unfinished, where this would work, is none", {"overwrite": True}),
    (["a/thesis.txt"], "a exists and is no artifact", {"overwrite": "always"}),
    (["a/provenance.json"], "a exists and is no artifact", {"overwrite": "always"}),
    (["a/provenance.json", "a/result.json"], "a exists and is no artifact", {"overwrite": True}),
    (["a/checksums.json", "a/thesis.txt"], "a exists and is no artifact", {"overwrite": "always"}),
    (["a"], "a exists and is no artifact", {"overwrite": "always"}),
    ([".a.lock"], ".a.lock, which would be the lock, is none of tinydistill's", {}),
]


def contents(place: Path) -> dict[str, str]:
    files = (file for file in place.rglob("*") if file.is_file())
    return {str(file.relative_to(place)): file.read_text() for file in files if file.stat().st_size}


@pytest.mark.parametrize(("names", "told", "options"), UNMARKED, ids=lambda one: str(one)[:40])
def test_what_tinydistill_did_not_make_is_never_touched(names, told, options, tmp_path):
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text('{"mine": [1]}')
    before = contents(tmp_path)
    with pytest.raises(InputError, match=f"{told}.*: choose another place with path=DIR"):
        publish(tmp_path / "a", **options)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", [".a.replaced", "a.replaced", ".a.partial", "b.unfinished", "a.unfinished.old"])
def test_names_like_its_own_are_left_alone(name, tmp_path):
    (tmp_path / name).mkdir()
    (tmp_path / name / "thesis.txt").write_text("mine")
    publish(tmp_path / "a")
    publish(tmp_path / "a", overwrite="always")
    assert (tmp_path / name / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("overwrite", [True, "always"])
@pytest.mark.parametrize("name", ["thesis.txt", "notes/thesis.txt", ".hidden"])
def test_a_file_that_was_put_into_an_artifact_keeps_it_from_being_replaced(name, overwrite, tmp_path):
    publish(tmp_path / "a")
    (tmp_path / "a" / name).parent.mkdir(exist_ok=True)
    (tmp_path / "a" / name).write_text("mine")
    with pytest.raises(InputError, match=f"{name} was put into an artifact, and would be removed with it"):
        publish(tmp_path / "a", {**SETTINGS, "seed": 1}, overwrite=overwrite)
    assert publish(tmp_path / "a") == {"loss": 0.5}
    assert (tmp_path / "a" / name).read_text() == "mine"


def test_what_was_put_in_the_place_while_the_artifact_was_made_stays_and_so_does_the_work(tmp_path):
    with pytest.raises(RunError, match="take it away, and the same command publishes"):
        with open_artifact(tmp_path / "a", SETTINGS) as place:
            (tmp_path / "a").mkdir()
            (tmp_path / "a" / "thesis.txt").write_text("mine")
            place.publish({"loss": 0.5}, {})
    assert (tmp_path / "a" / "thesis.txt").read_text() == "mine"
    (tmp_path / "a").rename(tmp_path / "b")
    with open_artifact(tmp_path / "a", SETTINGS) as place:
        assert (place.product / "result.json").is_file()


def test_an_artifact_that_gave_way_to_one_that_was_never_moved_comes_back(tmp_path):
    publish(tmp_path / "a")
    with pytest.raises(RuntimeError), open_artifact(tmp_path / "a", SETTINGS, overwrite="always") as place:
        (tmp_path / "a").rename(place.work / "replaced")
        raise RuntimeError("killed")
    assert publish(tmp_path / "a") == {"loss": 0.5}


def test_a_working_directory_that_was_half_removed_is_still_known(tmp_path, monkeypatch):
    with pytest.raises(RuntimeError), open_artifact(tmp_path / "a", SETTINGS) as place:
        (place.work / "checkpoint").write_text("half")
        (place.work / "settings.json").unlink()
        raise RuntimeError("killed while it was removed")
    assert publish(tmp_path / "a") == {"loss": 0.5}


def truncate(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def change(file: Path) -> None:
    file.write_text(file.read_text().replace("0", "1", 1) + " ")


DAMAGED = [
    *((damaged, name) for name in ("provenance.json", "result.json", "model.txt") for damaged in (truncate, change)),
    *((Path.unlink, name) for name in ("provenance.json", "result.json", "model.txt")),
    (truncate, "checksums.json"),
]


@pytest.mark.parametrize(("damaged", "name"), DAMAGED)
def test_a_damaged_artifact_is_named_with_what_to_do_and_made_again_when_asked(damaged, name, tmp_path, capsys):
    publish(tmp_path / "a")
    damaged(tmp_path / "a" / name)
    with pytest.raises(
        InputError, match=f"a is damaged: {name} (isn't as it was written|is missing|is damaged)"
    ) as told:
        publish(tmp_path / "a")
    assert "make it again with overwrite=true" in str(told.value)
    assert publish(tmp_path / "a", overwrite=True) == {"loss": 0.5}
    assert "it is made again" in capsys.readouterr().out
    assert publish(tmp_path / "a") == {"loss": 0.5}


@pytest.mark.parametrize("record", ["", "[]", "null", "{", '{"settings": {}}', "\x00", "[" * 100_000])
def test_a_damaged_record_of_an_older_version_is_one_line_too(record, tmp_path):
    publish(tmp_path / "a")
    (tmp_path / "a" / "checksums.json").unlink()
    (tmp_path / "a" / "provenance.json").write_text(record)
    with pytest.raises(InputError, match="is no artifact of tinydistill|is a damaged artifact"):
        publish(tmp_path / "a")


def test_a_card_may_be_written_on(tmp_path):
    with open_artifact(tmp_path / "a", SETTINGS) as place:
        place.product.mkdir()
        (place.product / "README.md").write_text("made")
        place.publish({"loss": 0.5}, {})
    (tmp_path / "a" / "README.md").write_text("and written on")
    assert publish(tmp_path / "a") == {"loss": 0.5}


@pytest.mark.parametrize("damaged", [truncate, change], ids=lambda one: one.__name__)
def test_settings_of_an_unfinished_run_that_are_damaged_end_nothing_of_it(damaged, tmp_path):
    with pytest.raises(RuntimeError), open_artifact(tmp_path / "a", SETTINGS) as place:
        (place.work / "checkpoint").write_text("half")
        raise RuntimeError("cut off")
    damaged(place.work / "settings.json")
    for overwrite in (False, True):
        with pytest.raises(InputError, match="settings.json is damaged.*: begin anew with overwrite=always"):
            publish(tmp_path / "a", overwrite=overwrite)
    assert (place.work / "checkpoint").read_text() == "half"
    assert publish(tmp_path / "a", overwrite="always") == {"loss": 0.5}


def test_a_disk_that_fills_while_publishing_leaves_the_artifact_that_was_there(small_disk):
    place = small_disk("300k")
    publish(place / "a")
    with pytest.raises(RunError, match="no room for .*a.unfinished") as told:
        with open_artifact(place / "a", {**SETTINGS, "seed": 1}, overwrite=True) as made:
            made.product.mkdir()
            (made.product / "model.txt").write_text("x" * 200_000)
            made.publish({"loss": "x" * 200_000}, {"stage": "general"})
    assert told.value.code == 1
    assert publish(place / "a") == {"loss": 0.5}
    with open_artifact(place / "a", {**SETTINGS, "seed": 1}, overwrite=True) as made:
        made.publish({"loss": 0.25}, {"stage": "general"})
    assert publish(place / "a", {**SETTINGS, "seed": 1}) == {"loss": 0.25}


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
