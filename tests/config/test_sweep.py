"""The order of a sweep's table, its exit code, and the names of its directories."""

import pytest

from tinydistill.artifacts.files import write_sealed
from tinydistill.artifacts.writer import JOB
from tinydistill.config import sweep
from tinydistill.config.compose import job_name, sweep_name
from tinydistill.config.sweep import Job, in_order


def names(*jobs: Job) -> list[str]:
    return [job.name for job in in_order(jobs)]


def test_the_best_score_comes_first_and_failed_jobs_last():
    jobs = (
        Job("failed", "task", [], error="no rows"),
        Job("worse", "task", [], score=0.5),
        Job("undefined", "task", []),
        Job("best", "task", [], score=0.9),
    )
    assert names(*jobs) == ["best", "worse", "undefined", "failed"]


def test_of_losses_the_least_is_the_best():
    jobs = [Job(str(loss), "general", [], score=loss, higher_is_better=False) for loss in (0.5, 0.1, 0.3)]
    assert names(*jobs) == ["0.1", "0.3", "0.5"]


@pytest.mark.parametrize(
    ("mistakes", "code"), [((), 0), ((True,), 2), ((True, True), 2), ((True, False), 1), ((False,), 1)]
)
def test_the_exit_code_says_whether_what_failed_are_mistakes_alone(tmp_path, monkeypatch, mistakes, code):
    jobs = [Job("good", "task", ["seed=0"], score=0.5)]
    jobs += [Job(f"bad{i}", "task", [f"seed={i}"], error="no", mistake=m) for i, m in enumerate(mistakes, 1)]
    for job in jobs:
        (tmp_path / job.name).mkdir()
        write_sealed(tmp_path / job.name / JOB, job.__dict__)
    monkeypatch.setattr(sweep, "_unsummed", [tmp_path])
    assert sweep.finish() == code
    assert sweep.finish() == 0  # there is no sweep to sum up any more


def named(monkeypatch, *words: str) -> str:
    monkeypatch.setattr("sys.argv", ["tinydistill", *words])
    return sweep_name()


def test_the_same_command_has_the_same_directory_however_it_is_launched(monkeypatch):
    first = named(monkeypatch, "-m", "stage=task", "seed=0,1")
    assert first.startswith("task-")
    assert (
        named(monkeypatch, "-m", "stage=task", "seed=0,1", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2") == first
    )
    assert named(monkeypatch, "-m", "stage=task", "seed=0,2") != first
    assert named(monkeypatch, "sweep=glue").startswith("glue-")
    assert named(monkeypatch, "-m", "seed=0,1").startswith("general-")


def test_a_job_is_named_by_what_varies_and_never_too_long_for_a_file_system():
    assert job_name("mapping-top_seed-1") == "mapping-top_seed-1"
    assert job_name("") == "job"
    paths = {job_name(f"student.path-outputs/{sep}a") for sep in ("x/", "x-")}
    assert len(paths) == 2
    assert not any("/" in path for path in paths)
    assert len(job_name("x" * 500)) < 120
