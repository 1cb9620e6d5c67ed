"""Sweeps from the command line: tiny models on a task of a few rows."""

import json
import shutil
from datetime import datetime
from pathlib import Path

import pytest

from tests.stages.conftest import changed
from tinydistill.training.classifier import Classifier


@pytest.fixture
def words(task_arguments, arguments) -> dict[str, str | None]:
    """A sweep over stage=task whose jobs take a second or two."""
    general = {name: value for name, value in arguments.items() if name.startswith(("general.", "corpus"))}
    return {
        **task_arguments,
        **general,
        "stage": "task",
        "output_dir": None,
        "distill.start": "general",
        "general.max_steps": "2",
        "finetune.teacher.epochs": "2",
        "finetune.teacher.learning_rate": "2e-3",
        "intermediate.epochs": "1",
        "intermediate.batch_size": "16",
        "prediction.epochs": "2",
        "prediction.batch_size": "16",
        "prediction.learning_rate": "3e-3",
        "distill.check_score": "false",
        "trainer.enable_progress_bar": "false",
        "logger": "none",
        "hydra.mode": "MULTIRUN",
        "report.sweeps": "false",
    }


@pytest.fixture
def sweep(command, words):
    """Runs the sweep with some arguments changed; returns (exit code, stdout, stderr)."""
    return lambda **changes: command(changed(words, **changes))


@pytest.fixture
def outputs(tmp_path) -> Path:
    return tmp_path / "outputs"


def summary(outputs: Path) -> list[dict]:
    (file,) = outputs.glob("sweeps/*/sweep.json")
    return json.loads(file.read_text())["jobs"]


def scores(outputs: Path) -> dict[str, float]:
    return {job["name"]: job["score"] for job in summary(outputs)}


def made(outputs: Path, stage: str) -> list[str]:
    return sorted(path.parent.name for path in outputs.glob(f"{stage}/*/result.json"))


@pytest.mark.slow
def test_jobs_share_the_teacher_and_have_students_of_their_own(sweep, outputs, teacher_dir):
    code, out, err = sweep(prediction__temperature="1,2", report__sweeps="true")
    assert code == 0, err
    assert len(made(outputs, "finetune")) == len(made(outputs, "general")) == 1
    (page,) = outputs.glob("sweeps/*/report/report.md")
    assert "prediction.temperature" in page.read_text()
    assert "isn't drawn" not in out
    jobs = summary(outputs)
    assert sorted(job["overrides"] for job in jobs) == [["prediction.temperature=1"], ["prediction.temperature=2"]]
    for job in jobs:
        directory = Path(job["output_dir"])
        assert directory.parent.name == job["name"]
        assert json.loads((directory / "result.json").read_text())["score"] == job["score"]
    assert "sweep: task" in out
    again, out, _ = sweep(prediction__temperature="1,2", report__sweeps="true")
    assert again == 0
    assert out.count("finished before with the same settings") == 7  # teacher and both students, twice; report


@pytest.mark.slow
def test_what_a_job_starts_from_depends_on_its_own_settings(sweep, outputs):
    code, _, err = sweep(objective__attention="0,1")
    assert code == 0, err
    assert len(made(outputs, "finetune")) == 1
    assert len(made(outputs, "general")) == 2


@pytest.mark.slow
def test_what_stands_under_its_usual_name_is_taken_as_in_a_single_run(command, words, sweep, outputs):
    single = {**words, "hydra.mode": None}
    assert command({**single, "stage": "general"})[0] == 0
    assert command({**single, "stage": "finetune", "finetune.teacher.epochs": "3"})[0] == 0
    code, _, err = sweep(objective__attention="0,1")
    assert code == 0, err
    assert len(made(outputs, "finetune")) == len(made(outputs, "general")) == 1


@pytest.mark.slow
def test_a_pipeline_shares_what_agrees_and_keeps_apart_what_does_not(command, words, sweep, outputs):
    single = {**words, "hydra.mode": None, "pipeline.latency_length": "8", "pipeline.latency_seconds": "0.01"}
    assert command({**single, "stage": "pipeline"})[0] == 0
    latency = {"pipeline__latency_length": "8", "pipeline__latency_seconds": "0.01"}
    code, _, err = sweep(stage="pipeline", objective__attention="0,1", **latency)
    assert code == 0, err
    assert len(made(outputs, "finetune")) == 2  # teacher and baseline, those of the single run
    plain, other = made(outputs, "general")
    assert other.startswith(f"{plain}-")  # the job that agrees with the single run takes its student
    jobs = summary(outputs)
    assert len({job["output_dir"] for job in jobs}) == 2
    for job in jobs:
        stages = {path.name for path in Path(job["output_dir"]).parent.iterdir() if path.is_dir()}
        assert stages == {"task", "evaluate", "pipeline"}


def test_an_ablation_needs_no_general_stage_and_no_distillation(sweep, outputs):
    latency = {"pipeline__latency_length": "8", "pipeline__latency_seconds": "0.01", "distill__start": None}
    chosen = {"sweep": "ablation", "ablation": "no_general,no_distillation", "hydra.mode": None, "stage": None}
    code, _, err = sweep(**chosen, **latency, pipeline__augment="false", finetune__student__epochs="1")
    assert code == 0, err
    jobs = {job["name"]: job for job in summary(outputs)}
    assert jobs.keys() == {"ablation-no_general", "ablation-no_distillation"}
    assert [job["stage"] for job in jobs.values() if job["name"] == "ablation-no_distillation"] == ["finetune"]
    assert made(outputs, "general") == []


def test_a_failed_job_is_reported_and_the_sweep_goes_on(sweep, outputs):
    code, out, err = sweep(student__num_heads="3,4")
    assert code == 2
    line = "student.num_heads=3 doesn't divide student.hidden_size=16"
    assert f"tinydistill: error: job 0: {line}" in err
    assert "Traceback" not in err
    good, bad = summary(outputs)
    assert (bad["error"], bad["mistake"], bad["score"]) == (line, True, None)
    assert good["error"] is None
    table = out[out.rindex("sweep: task") :]
    assert table.index("student.num_heads=4") < table.index("student.num_heads=3")
    assert f"failed: student.num_heads=3: {line}" in table


@pytest.mark.slow
def test_a_fault_of_the_program_is_told_from_a_mistake_and_tried_again(sweep, outputs, monkeypatch):
    step, broken = Classifier.training_step, []

    def training_step(self, batch, batch_idx):
        if not broken:
            broken.append(True)
            raise RuntimeError("the disk is on fire")
        return step(self, batch, batch_idx)

    monkeypatch.setattr(Classifier, "training_step", training_step)
    code, _, err = sweep(prediction__temperature="1,2")
    assert code == 1
    assert "Traceback" in err
    good, bad = summary(outputs)
    assert (bad["error"], bad["mistake"]) == ("RuntimeError: the disk is on fire", False)
    assert good["score"] is not None
    code, _, err = sweep(prediction__temperature="1,2")
    assert code == 0, err
    assert all(job["error"] is None for job in summary(outputs))


def test_every_job_is_a_run_of_its_own_in_weights_and_biases(sweep, outputs, monkeypatch, tmp_path):
    monkeypatch.setenv("WANDB_MODE", "offline")
    for variable in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / "wandb-files"))
    code, _, err = sweep(
        stage="finetune", finetune__teacher__learning_rate="2e-3,1e-3", logger="wandb", finetune__teacher__epochs="1"
    )
    assert code == 0, err
    runs = [path for path in outputs.rglob("offline-run-*") if path.is_dir()]
    assert len(runs) == 2
    assert len({path.relative_to(outputs).parts[2] for path in runs}) == 2  # each in its job's directory


@pytest.mark.slow
@pytest.mark.parametrize(("launcher", "jobs"), [("joblib", "n_jobs"), ("ray", "ray.init.num_cpus")])
def test_jobs_at_the_same_time_share_inputs_and_end_as_one_after_the_other(launcher, jobs, sweep, outputs, monkeypatch):
    pytest.importorskip(f"hydra_plugins.hydra_{launcher}_launcher")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # another number of threads rounds otherwise
    varied = {"prediction__temperature": "1,2"}
    code, _, err = sweep(**varied)
    assert code == 0, err
    alone = scores(outputs)
    shutil.rmtree(outputs)
    parallel = {"hydra/launcher": launcher, f"{'+' if launcher == 'ray' else ''}hydra.launcher.{jobs}": "2"}
    code, _, err = sweep(**varied, **parallel)
    assert code == 0, err
    assert scores(outputs) == alone
    assert len(alone) == 2
    assert len(made(outputs, "finetune")) == len(made(outputs, "general")) == 1
    teacher = json.loads(next(outputs.glob("finetune/*/provenance.json")).read_text())
    begun = min(file.stat().st_mtime for file in outputs.glob("sweeps/*/*/job.json"))
    assert datetime.fromisoformat(teacher["finished"]).timestamp() < begun  # no job ended before it was there


def test_a_job_runs_where_submitit_puts_it(sweep, outputs):
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    launcher = {"hydra/launcher": "submitit_local", "hydra.launcher.timeout_min": "5"}
    code, _, err = sweep(stage="finetune", seed="0", student__num_heads="3", **launcher)
    assert code == 2, err
    assert summary(outputs)[0]["error"] == "student.num_heads=3 doesn't divide student.hidden_size=16"


@pytest.mark.slow
def test_a_search_goes_on_where_it_was_and_outlives_failed_trials(sweep, outputs):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    fixed = {"prediction.learning_rate": "1e-3", "prediction.temperature": "1", "prediction.hard_share": "0"}
    random = {"hydra/sweeper/sampler": "random", "hydra.sweeper.sampler.seed": "0", "hydra.sweeper.n_trials": "4"}
    search = {**fixed, **random, "hydra.mode": None, "sweep": "optuna", "stage": "finetune"}
    code, _, err = sweep(**search, finetune__teacher__epochs="choice(0,1)")
    assert code == 2, err
    good, bad = summary(outputs)
    assert bad["error"] == "finetune.teacher.epochs=0 is too small: it must be at least 1"
    (found,) = outputs.glob("sweeps/*/optimization_results.yaml")
    assert f"best_value: {good['score']}" in found.read_text()
    before = next(outputs.glob("sweeps/*/finetune.teacher.epochs-1/finetune/result.json")).stat().st_mtime_ns
    assert sweep(**search, finetune__teacher__epochs="choice(0,1)")[0] == 2
    assert len(summary(outputs)) == 2
    (kept,) = outputs.glob("sweeps/*/finetune.teacher.epochs-1/finetune/result.json")
    assert kept.stat().st_mtime_ns == before


QUICK = {"pipeline__latency_length": "8", "pipeline__latency_seconds": "0.01", "finetune__student__epochs": "1"}


@pytest.mark.slow
def test_seeds_of_a_pipeline_share_nothing_that_depends_on_them_and_are_one_line_of_the_report(sweep, outputs):
    chosen = {"sweep": "seeds", "seed": "3,4", "hydra.mode": None, "stage": None, "report__sweeps": "true"}
    code, out, err = sweep(**chosen, **QUICK)
    assert code == 0, err
    assert {job["name"] for job in summary(outputs)} == {"seed-3", "seed-4"}
    assert len(made(outputs, "general")) == 2
    assert len(made(outputs, "finetune")) == 4  # teacher and baseline
    weights = {path: path.read_bytes() for path in outputs.rglob("model.safetensors") if "cache" not in path.parts}
    assert len(set(weights.values())) == len(weights) == 8
    for stage in ("finetune", "general"):
        found = [json.loads(file.read_text()) for file in outputs.glob(f"{stage}/*/provenance.json")]
        assert {one["settings"]["options"]["seed"] for one in found} == {3, 4}
    (page,) = outputs.glob("sweeps/*/report/report.md")
    text = page.read_text()
    (student,) = [line for line in text.splitlines() if line.startswith("| **student, distilled**")]
    assert "`seed-3/task`, `seed-4/task`" in student
    scored = list(scores(outputs).values())
    assert student.startswith(
        f"| **student, distilled** | {sum(scored) / 2:.3f} | {abs(scored[0] - scored[1]) / 2**0.5:.3f}"
    )
    assert "rows and seeds resampled; 2 seeds" in text
    rows = json.loads((page.parent / "result.json").read_text())
    assert {(row["model"], row["seeds"]) for row in rows["models"]} == {
        *(("teacher", 2), ("student, not distilled", 2), ("student, no training", 2), ("student, distilled", 2))
    }
    assert sorted((row["model"], row["against"], row["seeds"]) for row in rows["differences"]) == [
        (model, against, 2)
        for model in ("student, distilled", "student, no training")
        for against in ("student, not distilled", "teacher")
    ]
    assert "student, distilled, against teacher" in out


def test_seeds_of_one_stage_alone_are_one_line_too(sweep, outputs):
    chosen = {"sweep": "seeds", "seed": "0,1", "hydra.mode": None, "stage": "finetune", "report__sweeps": "true"}
    code, _, err = sweep(**chosen)
    assert code == 0, err
    assert [job["stage"] for job in summary(outputs)] == ["finetune"] * 2
    (page,) = outputs.glob("sweeps/*/report/result.json")
    (row,) = json.loads(page.read_text())["models"]
    assert (row["model"], row["seeds"]) == ("teacher", 2)
    assert row["deviation"] is not None
    assert row["interval"]["low"] is not None


@pytest.mark.slow
def test_variants_are_compared_with_the_first_over_all_their_seeds(sweep, outputs):
    several = {"sweep": "seeds", "seed": "0,1", "hydra.mode": None, "report__sweeps": "true"}
    code, _, err = sweep(**several, prediction__temperature="2,1", distill__phases="prediction")
    assert code == 0, err
    (page,) = outputs.glob("sweeps/*/report/report.md")
    text = page.read_text()
    assert "### task on files: 4 runs" in text
    assert "| difference | 95% interval | `prediction.temperature` | artifact |" in text
    assert "difference: to `prediction.temperature-2_seed-0/task`" in text
    lines = [line for line in text.splitlines() if line.startswith(("| 1 |", "| 2 |"))]
    assert sorted(line.split(" | ")[3] for line in lines) == ["2", "2"]
    assert sum(" | - | - | " in line for line in lines) == 1
