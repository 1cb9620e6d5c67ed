"""stage=pipeline in a given time, from the command line: tiny models on tasks of a few rows."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.stages.conftest import Cut, changed
from tinydistill.config.build import costs, plan, shipping_costs
from tinydistill.distillation.logit_distiller import LogitDistiller

SHIPPED = {
    "pipeline__export": "true",
    "pipeline__certify": "true",
    "export__formats": "[]",
    "export__latency.lengths": "[4]",
    "export__latency.seconds": "0.001",
    "certify__seconds": "0.001",
}


@pytest.fixture
def run(command, task_arguments):
    """Runs the pipeline with some arguments changed; returns (exit code, stdout, stderr)."""
    fixed = {
        **task_arguments,
        "stage": "pipeline",
        "output_dir": None,
        "pipeline.budget": "1h",
        "benchmark.seconds": "0.02",
        "finetune.teacher.learning_rate": "2e-3",
        "finetune.teacher.patience": "null",
        "finetune.student.epochs": "2",
        "intermediate.batch_size": "32",
        "prediction.batch_size": "32",
        "distill.check_score": "false",
        "pipeline.latency_length": "8",
        "pipeline.latency_seconds": "0.01",
        "pipeline.report": "false",
    }
    return lambda **changes: command(changed(fixed, **changes))


@pytest.fixture
def outputs(tmp_path) -> Path:
    return tmp_path / "outputs"


@pytest.fixture
def measured(monkeypatch):
    """Has the machine be as slow as `costs.measure_costs` is told here: seconds of each part's pass, once 10.

    Besides those are what is told of `files`, `latencies` and `certificate`, where they are planned.
    """

    def be(**seconds: float) -> list[str]:
        measure, seen = costs.measure_costs, []

        def measure_costs(config, directory, each):
            found = measure(config, directory, each)
            seen.append(config.task.name)
            parts = {
                name: costs.Part(seconds[name], part.least, part.default, part.most, part.whole)
                for name, part in found.parts.items()
            }
            shipping = {name: seconds[name] for name in shipping_costs.ALL if name in found.once}
            return costs.Costs({"logits": 5.0, "start": 4.0, "evaluation": 1.0, **shipping}, parts)

        monkeypatch.setattr(costs, "measure_costs", measure_costs)
        monkeypatch.setattr(plan, "time", SimpleNamespace(monotonic=lambda: 0.0))  # measuring took no time
        return seen

    return be


def results(outputs: Path) -> list[Path]:
    return sorted(outputs.glob("*/*/result.json"))


def made(outputs: Path, stage: str, name: str = "") -> tuple[dict, dict]:
    """Configuration and result of what a stage has made."""
    (result,) = outputs.glob(f"{stage}/*{name}*/result.json")
    provenance = json.loads((result.parent / "provenance.json").read_text())
    return provenance["configuration"], json.loads(result.read_text())


def printed(out: str) -> dict[str, str]:
    """The plan's lengths by what is made."""
    shown = out[out.index("plan for") : out.index("\npipeline")]
    found = re.findall(r"stage=\w+ +(.+?) {2,}(\d+ pass(?:es)?|once|left out)", shown)
    return dict(found)


def test_the_plan_is_shown_and_run_with_exactly_its_lengths_and_found_again(run, outputs, measured, cut):
    seen = measured(teacher=4.0, prediction=1.0, intermediate=2.0, baseline=3.0)
    budget = {"pipeline__budget": "55s"}  # 49.5: 10 once, 32 for the teacher, 7 for the prediction phase
    cut(LogitDistiller, 12)
    with pytest.raises(Cut):
        run(**budget)
    code, out, err = run(**budget)
    assert code == 0, err
    lengths = printed(out)
    assert lengths == {
        "teacher": "8 passes",
        "baseline": "left out",
        "teacher's logits": "once",
        "start of the student": "once",
        "intermediate phase": "left out",
        "prediction phase": "7 passes",
        "predictions": "once",
    }
    assert re.search(r"all +of 0\.9 minutes +0\.8", out)
    configuration, result = made(outputs, "task")
    assert configuration["prediction"]["epochs"] == len(result["phases"]["prediction"]["epochs"]) == 7
    assert list(result["phases"]) == ["prediction"]
    configuration, result = made(outputs, "finetune", "teacher")
    assert configuration["finetune"]["teacher"]["epochs"] is None  # as long as without a plan
    assert len(result["epochs"]) == 8
    assert len(list(outputs.glob("finetune/*/result.json"))) == 1
    times = {path: path.stat().st_mtime_ns for path in results(outputs)}
    code, out, err = run(**budget)
    assert code == 0, err
    assert printed(out) == lengths
    assert {line.split()[-1] for line in out.splitlines() if re.match(r" ?\d+ +stage=", line)} == {"there"}
    assert {path: path.stat().st_mtime_ns for path in results(outputs)} == times
    assert seen == ["files"]  # measured once


@pytest.mark.slow
def test_lengths_that_are_set_are_kept_and_a_teacher_that_was_made_costs_nothing(run, outputs):
    short = {"finetune__teacher.epochs": "1", "prediction__epochs": "2"}
    code, _, err = run(stage="finetune", pipeline__budget=None, **short)
    assert code == 0, err
    times = {path: path.stat().st_mtime_ns for path in results(outputs)}
    code, out, err = run(**short, intermediate__max_steps="2")
    assert code == 0, err
    lengths = printed(out)
    assert (lengths["teacher"], lengths["prediction phase"]) == ("1 pass", "2 passes")
    (planned,) = json.loads(next(outputs.glob("pipeline/*.plan.json")).read_text())["tasks"]
    assert planned["seconds"]["teacher"] == 0 < planned["seconds"]["prediction"]
    assert times.items() <= {path: path.stat().st_mtime_ns for path in results(outputs)}.items()
    configuration, result = made(outputs, "task")
    assert configuration["prediction"]["epochs"] == 2
    assert result["phases"]["intermediate"]["steps"] == 2
    assert made(outputs, "finetune", "random")[0]["finetune"]["student"]["epochs"] == 2
    trained = [path for path in results(outputs) if path.parts[-3] in ("finetune", "task")]
    times = {path: path.stat().st_mtime_ns for path in trained}
    code, out, err = run(**short, **SHIPPED, intermediate__max_steps="2")
    assert code == 0, err
    assert printed(out) == lengths
    assert out.count("on top of this plan") == 3
    assert {path: path.stat().st_mtime_ns for path in trained} == times


@pytest.mark.slow
def test_export_and_certificate_have_their_time_and_the_training_has_the_rest(run, outputs, measured):
    measured(teacher=4.0, prediction=1.0, intermediate=2.0, baseline=3.0, files=6.0, latencies=3.0, certificate=2.0)
    code, out, err = run(**SHIPPED, pipeline__budget="60s")  # 54: 21 once, 32 for the teacher, 1 for the student
    assert code == 0, err
    lengths = printed(out)
    assert (lengths["teacher"], lengths["prediction phase"]) == ("8 passes", "1 pass")
    shipped = ("files to ship, checked", "latencies, at most", "certificate")
    assert [lengths[row] for row in shipped] == ["once"] * 3
    assert re.search(r"all +of 1\.0 minutes +0\.9", out)
    (planned,) = json.loads(next(outputs.glob("pipeline/*.plan.json")).read_text())["tasks"]
    assert sum(planned["seconds"].values()) == 54
    assert [path.parts[-3] for path in results(outputs)] == [
        *("certify", "evaluate", "export", "finetune", "pipeline", "task")
    ]
    code, _, err = run(**SHIPPED, pipeline__budget="32s", overwrite="true")
    assert code == 2
    assert "takes 1min here (teacher 8 passes, prediction 1 pass, export and certificate 11s)" in err


@pytest.mark.slow
@pytest.mark.parametrize("formats", ["[]", "[onnx,onnx_int8]"])
def test_what_shipping_takes_is_measured_before_it_is_planned(run, outputs, formats):
    short = {"finetune__teacher.epochs": "1", "prediction__epochs": "1", "pipeline__budget": "1h"}
    code, out, err = run(**{**SHIPPED, **short, "export__formats": formats, "export__least_equal": "0.5"})
    assert code == 0, err
    assert printed(out)["certificate"] == "once"
    (planned,) = json.loads(next(outputs.glob("pipeline/*.plan.json")).read_text())["tasks"]
    seconds = planned["seconds"]
    assert all(seconds[name] > 0 for name in shipping_costs.ALL)
    assert sum(seconds.values()) <= 0.9 * 3600
    latency = made(outputs, "export")[1]["latency"]
    assert len(latency[0]["latency"]) == (2 if formats == "[]" else 6)
    assert made(outputs, "certify")[1]["rows"] > 0


@pytest.mark.slow
def test_every_task_has_an_equal_share(run, outputs, glue, measured):
    measured(teacher=2.0, prediction=1.0, intermediate=100.0, baseline=100.0)
    several = {"task": "sst2", "task__train": None, "task__validation": None, "paths__glue": str(glue)}
    code, out, err = run(**several, pipeline__tasks="[mrpc,sst2]", pipeline__budget="40s")  # 18 each, 10 of them once
    assert code == 0, err
    assert out.count("of 0.3 minutes") == 2
    assert [len(made(outputs, "task", name)[1]["phases"]["prediction"]["epochs"]) for name in ("mrpc", "sst2")] == [
        2,
        2,
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pipeline__augment": "true"}, "pipeline.budget doesn't plan pipeline.augment=true: leave that out"),
        ({"distill__start": "general"}, "pipeline.budget doesn't plan distill.start=general: leave that out"),
        ({"distill__phases": "merged"}, "pipeline.budget doesn't plan distill.phases=merged: leave that out"),
        ({"trainer__devices": "2"}, "pipeline.budget measures one device, not 2: set trainer.devices=1"),
        ({"pipeline__budget": "abc"}, "pipeline.budget=abc is no length of time: write 30min, 2h or 1h30min"),
        (
            {"pipeline__budget": "40s"},
            "pipeline.budget=40s is too short: the least takes 2min here (teacher 2 passes, prediction 1 pass); "
            "set pipeline.budget=2min, or learn from fewer rows: task.train_share=SHARE or task.max_rows=ROWS",
        ),
    ],
)
def test_what_cannot_be_planned_is_one_line_and_nothing_is_written(run, outputs, measured, change, message):
    measured(teacher=30.0, prediction=20.0, intermediate=1.0, baseline=1.0)
    code, _, err = run(**change)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert not list(outputs.glob("[!c]*/*"))
