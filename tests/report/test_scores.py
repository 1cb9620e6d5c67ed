import json

import pytest

from tests.report.conftest import weights_of
from tinydistill.report import tables
from tinydistill.report.collected import collect
from tinydistill.report.scores import scores
from tinydistill.report.shipped import BASELINE, STUDENT, TEACHER, UNTRAINED, shipped, timed_as


@pytest.fixture
def family(maker):
    """Teacher, baseline and two students of a task."""
    maker.finetune("big", 0.8, "teacher")
    maker.finetune("alone", 0.5, "student")
    maker.task("first", 0.7, "big", 0.82)
    maker.task("second", 0.75, "big", 0.82)
    return maker


def one_task(maker):
    (task,) = scores(collect([maker.root]))
    return task


def pipeline_row(model, path, score, retention, ms, speedup):
    row = {"task": "pets", "metric": "validation/accuracy", "model": model, "path": path, "score": score}
    return {**row, "retention": retention, "parameters": 7, "bytes": 28_000_000, "latency_ms": ms, "speedup": speedup}


EXPORT = {
    **{"score": 0.7, "monitor": "validation/accuracy", "origin": {"teacher": "big"}},
    "scores": {"teacher": 0.82, "not distilled": 0.5, "student": 0.7},
    "checks": [
        {"name": "PyTorch fp32", "score": 0.7, "equal": 1.0, "correlation": None},
        {"name": "ONNX int8", "score": 0.69, "equal": 0.995, "correlation": None},
    ],
    "sizes": [
        {
            "model": model,
            "embedding": 1,
            "encoder": 2,
            "head": 3,
            "bytes": {"PyTorch fp32": size, "ONNX int8": size // 4},
        }
        for model, size in (("teacher", 8_000_000), ("student", 4_000_000))
    ],
    "latency": [
        {
            **{"threads": threads, "batch_size": 1, "length": length},
            "latency": {
                "teacher, PyTorch fp32": {"median": 10.0 * length},
                "student, PyTorch fp32": {"median": 2.0 * length},
                "student, ONNX int8": {"median": 0.5 * length},
            },
        }
        for threads, length in ((1, 4), (1, 8), (2, 8))
    ],
}


def test_models_stand_with_the_best_first_and_what_they_keep_of_their_teacher(family):
    task = one_task(family)
    assert [(model.kind, model.name) for model in task.models] == [
        (TEACHER, "finetune/big"),
        (STUDENT, "task/second"),
        (STUDENT, "task/first"),
        (BASELINE, "finetune/alone"),
    ]
    teacher, best, _, baseline = task.models
    assert teacher.score == 0.82  # as its students saw it, which their retention is of
    assert teacher.retention == 100
    assert best.retention == pytest.approx(100 * 0.75 / 0.82)
    assert baseline.retention == pytest.approx(100 * 0.5 / 0.82)
    assert task.majority == {"validation/accuracy": 0.5, "validation/f1": 0.3}
    assert best.bytes == len("second")


def test_a_pipeline_s_figures_are_taken_as_its_table_has_them_though_it_was_moved(family):
    rows = [
        pipeline_row(TEACHER, "outputs/finetune/big", 0.82, 100.0, 30.0, 1.0),
        pipeline_row(STUDENT, "outputs/task/second", 0.75, 91.5, 5.0, 6.0),
        pipeline_row(BASELINE, "outputs/finetune/alone", 0.5, 61.0, 5.1, 5.9),
    ]
    family.make("pipeline/all", {}, {"models": rows}, pipeline__latency_length=128)
    task = one_task(family)
    measured = {model.name: (model.score, model.retention, model.latency_ms, model.speedup) for model in task.models}
    assert measured["finetune/big"] == (0.82, 100.0, 30.0, 1.0)
    assert measured["task/second"] == (0.75, 91.5, 5.0, 6.0)
    assert measured["task/first"][2:] == (None, None)
    assert task.length == 128
    page = tables.of_task(task)
    assert "| teacher | 0.820 | 100.0% | 0.410 | 7 | 28.0 | 30.0 | 1.0x | `finetune/big` |" in page
    assert "| **student, distilled** | 0.750 | 91.5% | 0.375 | 7 | 28.0 | 5.0 | 6.0x | `task/second` |" in page
    assert "| student, distilled | 0.700 | 85.4% | 0.350 | 300 | 0.0 | - | - | `task/first` |" in page


def test_a_teacher_that_is_no_artifact_here_is_known_from_its_student(maker):
    maker.task("only", 0.6, "elsewhere", 0.8)
    teacher, student = one_task(maker).models
    assert (teacher.kind, teacher.run, teacher.score, teacher.retention) == (TEACHER, None, 0.8, 100)
    assert student.retention == pytest.approx(75)


def test_a_teacher_that_taught_nobody_is_measured_against_the_one_that_did(family):
    family.finetune("better", 0.9, "teacher")
    retained = {model.name: model.retention for model in one_task(family).models}
    assert retained["finetune/big"] == 100
    assert retained["finetune/better"] == pytest.approx(100 * 0.9 / 0.82)


def test_an_export_adds_latency_and_size_where_nothing_else_has_measured_them(family):
    family.make("export/second", {}, EXPORT, inputs={"model": weights_of("second")}, task__name="pets")
    task = one_task(family)
    measured = {model.name: (model.latency_ms, model.speedup) for model in task.models}
    assert measured == {
        "finetune/big": (80.0, 1.0),  # one thread, one row, the longest text
        "task/second": (16.0, 5.0),
        "task/first": (None, None),
        "finetune/alone": (None, None),
    }
    (export,) = task.exports
    assert timed_as(export) == "1 row of 8 tokens, 1 thread"
    rows = shipped(export)
    assert [(row.kind, row.runtime, row.latency_ms, row.speedup) for row in rows] == [
        (TEACHER, "PyTorch fp32", 80.0, 1.0),
        (STUDENT, "PyTorch fp32", 16.0, 5.0),
        (STUDENT, "ONNX int8", 4.0, 20.0),
    ]
    assert "| student, distilled | ONNX int8 | 0.690 | 99.5% | 1.0 | 4.00 | 20.0x |" in tables.of_shipped(rows)


def test_an_export_alone_tells_of_teacher_and_baseline_too(maker):
    maker.make("export/second", {}, EXPORT, "second", {"model": weights_of("second")}, task__name="pets")
    task = one_task(maker)
    assert [(model.kind, model.score) for model in task.models] == [(TEACHER, 0.82), (STUDENT, 0.7), (BASELINE, 0.5)]
    assert task.models[1].retention == pytest.approx(100 * 0.7 / 0.82)
    assert task.models[1].parameters == 6


def test_tasks_of_one_name_on_other_rows_are_not_mixed(maker):
    maker.finetune("one", 0.8, "teacher", rows="abcdef12")
    maker.finetune("two", 0.4, "teacher", rows="99999999")
    titles = [task.title for task in scores(collect([maker.root]))]
    assert titles == ["pets (validation/accuracy, rows 999999)", "pets (validation/accuracy, rows abcdef)"]


def test_several_tasks_end_with_their_mean(family):
    family.finetune("big2", 0.6, "teacher", task="zoo")
    family.task("third", 0.3, "big2", 0.6, task="zoo")
    page = tables.of_all(scores(collect([family.root])))
    assert "| pets | validation/accuracy | 0.820 | 0.500 | 0.750 | 91.5% |" in page
    assert "| zoo | validation/accuracy | 0.600 | - | 0.300 | 50.0% |" in page
    assert "| **all** | average | 0.710 | - | 0.525 | 73.9% |" in page


def test_a_student_that_took_no_step_is_called_so(maker):
    maker.finetune("big", 0.8, "teacher")
    place = maker.task("solved", 0.7, "big", 0.82)
    result = json.loads((place / "result.json").read_text())
    (place / "result.json").write_text(json.dumps(result | {"phases": {}}))
    assert {model.kind: model.score for model in one_task(maker).models} == {TEACHER: 0.82, UNTRAINED: 0.7}
