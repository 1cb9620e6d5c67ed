import json

import pytest

from tests.report.conftest import weights_of
from tinydistill.errors import InputError
from tinydistill.report.collected import collect


def names(collected):
    return [run.name for run in collected.runs]


def test_artifacts_are_found_at_any_depth_and_none_twice(maker):
    one = maker.finetune("teacher", 0.9, "teacher")
    maker.make("sweeps/monday/0/general", {}, {}, stage="general")
    maker.make("sweeps/monday/1/general", {}, {}, stage="general")
    found = collect([maker.root, one])
    assert names(found) == ["finetune/teacher", "0/general", "1/general"]
    assert [run.name for run in found.of("general")] == ["0/general", "1/general"]
    assert found.runs[0].task == "pets"
    assert found.runs[1].task is None


def test_what_a_job_made_is_called_after_the_job_and_the_stage(maker):
    for job, made in (("sweeps/friday/top", "student_top"), ("sweeps/friday/bottom", "student_bottom")):
        maker.make(f"{job}/task/{made}", {}, {}, stage="task")
        (maker.root / job / "job.json").write_text("{}")
    maker.make("sweeps/friday/bottom/evaluate/one", {}, {}, stage="evaluate")
    maker.make("sweeps/friday/bottom/evaluate/two", {}, {}, stage="evaluate")
    assert sorted(names(collect([maker.root]))) == ["bottom/task", "evaluate/one", "evaluate/two", "top/task"]


def test_reports_caches_and_what_is_unfinished_are_left_out(maker):
    maker.finetune("teacher", 0.9, "teacher")
    maker.make("report/all", {}, {})
    maker.make("cache/odd", {}, {}, stage="general")
    (maker.root / "task" / "begun.unfinished").mkdir(parents=True)
    found = collect([maker.root])
    assert names(found) == ["finetune/teacher"]
    assert [place.name for place in found.unfinished] == ["begun.unfinished"]


def test_a_model_is_found_by_its_weights_rather_where_it_was_trained(maker):
    maker.make("export/a", {}, {}, "same")
    trained = maker.make("task/b", {}, {}, "same")
    assert collect([maker.root]).with_weights(weights_of("same")).path == trained.resolve()
    assert collect([maker.root]).with_weights("other") is None


def test_an_artifact_that_is_made_again_has_another_identity(maker):
    path = maker.finetune("teacher", 0.9, "teacher")
    (before,) = (run.identity() for run in collect([path]).runs)
    (path / "result.json").write_text(json.dumps({"score": 0.8}))
    (after,) = (run.identity() for run in collect([path]).runs)
    assert before != after


def foreign(path):
    path.mkdir(parents=True)
    (path / "readme.txt").write_text("hello")


def other_provenance(path):
    path.mkdir(parents=True)
    (path / "provenance.json").write_text('{"made_by": "someone"}')
    (path / "result.json").write_text("{}")


def cut_short(path):
    other_provenance(path)
    (path / "provenance.json").write_text('{"settings": {')


def without_result(path):
    other_provenance(path)
    (path / "result.json").unlink()


def half_made(path):
    path.with_name(f"{path.name}.unfinished").mkdir(parents=True)


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda path: None, r"made: there is no such directory: name others with 'paths=\[DIR\]'"),
        (foreign, r"made holds no artifact of tinydistill: name others with 'paths=\[DIR\]'"),
        (other_provenance, "made has a provenance.json that is none of tinydistill's"),
        (cut_short, "made is a damaged artifact: its record is no JSON"),
        (without_result, "made is a damaged artifact: it lacks result.json"),
        (half_made, "made.unfinished is an unfinished run: the command that began it goes on with it"),
    ],
)
def test_what_is_no_artifact_is_one_clear_line(tmp_path, prepare, message):
    prepare(tmp_path / "made")
    with pytest.raises(InputError, match=message):
        collect([tmp_path / "made"])
