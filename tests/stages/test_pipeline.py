"""stage=pipeline from the command line: tiny models on tasks of a few rows."""

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import bert
from tests.stages.conftest import Cut, animal_rows, changed, write_csv
from tinydistill.distillation.logit_distiller import LogitDistiller
from tinydistill.errors import InputError
from tinydistill.export.agreement import Bounds
from tinydistill.models.heads import Head, add_head
from tinydistill.models.loading import save_model

NAME = "tiny_tiny3_uniform_tinybert"


@pytest.fixture
def quick(task_arguments, arguments, teacher_dir) -> dict[str, str | None]:
    """The whole pipeline in a few seconds."""
    general = {name: value for name, value in arguments.items() if name.startswith(("general.", "corpus"))}
    return {
        **task_arguments,
        **general,
        "stage": "pipeline",
        "output_dir": None,
        "general.max_steps": "4",
        "finetune.teacher.epochs": "3",
        "finetune.teacher.learning_rate": "2e-3",
        "finetune.student.epochs": "1",
        "intermediate.epochs": "2",
        "intermediate.batch_size": "16",
        "prediction.epochs": "3",
        "prediction.batch_size": "16",
        "prediction.learning_rate": "3e-3",
        "distill.check_score": "false",
        "pipeline.latency_length": "8",
        "pipeline.latency_seconds": "0.01",
        "pipeline.report": "false",
    }


@pytest.fixture
def run(command, quick):
    """Runs the pipeline with some arguments changed; returns (exit code, stdout, stderr)."""
    return lambda **changes: command(changed(quick, **changes))


@pytest.fixture
def outputs(tmp_path) -> Path:
    return tmp_path / "outputs"


def results(outputs: Path) -> dict[str, Path]:
    """The artifacts there are, by stage and name."""
    return {str(path.parent.relative_to(outputs)): path for path in outputs.glob("*/*/result.json")}


def rows_of(outputs: Path, name: str) -> list[dict]:
    return json.loads((outputs / "pipeline" / name / "result.json").read_text())["models"]


def test_one_command_makes_all_models_and_compares_them(run, outputs, teacher_dir):
    code, out, err = run(pipeline__report="true", distill__start="general")
    assert code == 0, err
    teacher = teacher_dir.name
    name = f"{teacher}_tiny3_uniform_tinybert_files"
    made = {f"finetune/{teacher}_files", "finetune/tiny3-random_files", f"general/{name}", f"task/{name}"}
    made |= {f"evaluate/task-{name.replace('_', '-').removesuffix('-files')}_files", f"pipeline/{name}"}
    made |= {f"report/{name}"}
    assert results(outputs).keys() == made
    rows = rows_of(outputs, name)
    assert [row["model"] for row in rows] == [
        *("teacher", "student, not distilled", "student, no training", "student, distilled")
    ]
    big, alone, untrained, distilled = rows
    assert big["score"] > 0.9
    assert (big["retention"], big["speedup"]) == (100, 1)
    assert distilled["retention"] == pytest.approx(100 * distilled["score"] / big["score"])
    assert distilled["parameters"] == alone["parameters"] < big["parameters"]
    assert untrained["score"] < distilled["score"]
    assert (untrained["path"], untrained["latency_ms"]) == (distilled["path"], distilled["latency_ms"])
    assert all(row["bytes"] >= 4 * row["parameters"] and row["latency_ms"] > 0 for row in rows)
    alone_score = json.loads((outputs / "finetune/tiny3-random_files/result.json").read_text())["score"]
    assert alone["score"] == alone_score
    assert all(row["interval"][0] <= row["score"] <= row["interval"][1] for row in rows)
    assert "±: half of a 95% bootstrap interval, rows resampled; one seed" in out
    assert "files accuracy" in out
    page = (outputs / "report" / name / "report.md").read_text()
    for row in rows:
        low, high = row["interval"]
        figures = f"{row['score']:.3f} | {low:.3f} to {high:.3f} | {row['retention']:.1f}% |"
        assert f"{row['model']}** | {figures}" in page or f"{row['model']} | {figures}" in page
        assert f"| {row['latency_ms']:.1f} | {row['speedup']:.1f}x |" in page
    assert out.rstrip().endswith(f"artifact: {outputs / 'pipeline' / name}")


@pytest.mark.slow
def test_what_is_done_is_skipped_and_what_was_cut_is_resumed(run, outputs, cut):
    cut(LogitDistiller, 12)
    with pytest.raises(Cut):
        run()
    assert {name.split("/")[0] for name in results(outputs)} == {"finetune"}
    code, out, err = run(pipeline__report="true")
    assert code == 0, err
    assert out.count("finished before with the same settings") == 2
    assert "intermediate: finished before" in out
    assert "going on from" in out
    times = {name: path.stat().st_mtime_ns for name, path in results(outputs).items()}
    code, out, _ = run(pipeline__report="true")
    assert code == 0
    assert {line.split()[-1] for line in out.splitlines() if " stage=" in line and "[" not in line} == {"there"}
    assert {name: path.stat().st_mtime_ns for name, path in results(outputs).items()} == times


def test_without_matplotlib_there_are_no_pictures_which_is_said_once(run, outputs, without_matplotlib):
    code, out, err = run(pipeline__report="true", pipeline__baseline="false", logger="csv")
    assert code == 0, err
    assert out.count("pip install matplotlib") == 1
    assert not (outputs / "report").exists()
    assert not list(outputs.rglob("*.png"))


def test_a_teacher_and_a_student_that_are_there_are_taken(run, outputs, tokenizer, tmp_path):
    teacher, student = tmp_path / "tuned", tmp_path / "start"
    save_model(add_head(bert(4, 32, seed=1), Head(("cat", "dog")), seed=0), tokenizer, teacher)
    save_model(bert(2, 16, seed=2), tokenizer, student)
    code, _, err = run(teacher__path=str(teacher), student__path=str(student), pipeline__baseline="false")
    assert code == 0, err
    assert {name.split("/")[0] for name in results(outputs)} == {"task", "evaluate", "pipeline"}
    rows = rows_of(outputs, "tuned_tiny3_uniform_tinybert_files")
    assert [row["path"] for row in rows] == [
        str(teacher),
        *[str(outputs / "task" / "tuned_tiny3_uniform_tinybert_files")] * 2,  # before its first step, and after
    ]


def test_the_student_is_shipped_on_request(run, outputs, tokenizer, tmp_path):
    teacher, student = tmp_path / "tuned", tmp_path / "start"
    save_model(add_head(bert(4, 32, seed=1), Head(("cat", "dog")), seed=0), tokenizer, teacher)
    save_model(bert(2, 16, seed=2), tokenizer, student)
    given = {"teacher__path": str(teacher), "student__path": str(student), "pipeline__baseline": "false"}
    short = {"export__formats": "[]", "export__latency.lengths": "[4]", "export__latency.seconds": "0.001"}
    code, _, err = run(**given, **short, pipeline__export="true")
    assert code == 0, err
    made = outputs / "export" / "tuned_tiny3_uniform_tinybert_files"
    assert "Teacher: tuned, fine-tuned on the task" in (made / "README.md").read_text()
    assert [row["model"] for row in json.loads((made / "result.json").read_text())["sizes"]] == ["teacher", "student"]


@pytest.mark.slow
def test_a_file_that_is_left_out_costs_neither_table_nor_report_and_latencies_are_measured_once(
    run, outputs, tokenizer, tmp_path, monkeypatch
):
    def refuse(*_, int8: bool, **__):
        if int8:
            raise InputError("it answers otherwise", "set {Bounds.least_equal} anew")

    monkeypatch.setattr(Bounds, "check", refuse)
    teacher, student = tmp_path / "tuned", tmp_path / "start"
    save_model(add_head(bert(4, 32, seed=1), Head(("cat", "dog")), seed=0), tokenizer, teacher)
    save_model(bert(2, 16, seed=2), tokenizer, student)
    given = {"teacher__path": str(teacher), "student__path": str(student), "pipeline__report": "true"}
    short = {"export__latency.lengths": "[4,8]", "export__latency.seconds": "0.001", "export__latency.threads": "[1]"}
    code, out, err = run(**given, **short, pipeline__export="true")
    refused = "tinydistill: error: stage=export, it answers otherwise: set export.least_equal anew\n"
    assert (code, err) == (3, refused)
    assert "results" in out
    name = "tuned_tiny3_uniform_tinybert_files"
    assert (outputs / "report" / name / "report.html").is_file()
    exported = json.loads((outputs / "export" / name / "result.json").read_text())
    assert list(exported["withheld"]) == ["ONNX int8"]
    timed = next(row for row in exported["latency"] if (row["batch_size"], row["length"]) == (1, 8))["latency"]
    rows = {row["model"]: row["latency_ms"] for row in rows_of(outputs, name)}
    assert rows["teacher"] == timed["teacher, PyTorch fp32"]["median"]
    of_students = {rows[f"student, {which}"] for which in ("distilled", "not distilled", "no training")}
    assert of_students == {timed["student, PyTorch fp32"]["median"]}


def test_the_student_is_certified_on_request(run, outputs, tokenizer, tmp_path):
    teacher, student = tmp_path / "tuned", tmp_path / "start"
    save_model(add_head(bert(4, 32, seed=1), Head(("cat", "dog")), seed=0), tokenizer, teacher)
    save_model(bert(2, 16, seed=2), tokenizer, student)
    given = {"teacher__path": str(teacher), "student__path": str(student), "pipeline__baseline": "false"}
    short = {"export__formats": "[]", "export__latency.lengths": "[4]", "export__latency.seconds": "0.001"}
    code, out, err = run(**given, **short, pipeline__export="true", pipeline__certify="true", certify__seconds="0.001")
    assert code == 0, err
    name = "tuned_tiny3_uniform_tinybert_files"
    result = json.loads((outputs / "certify" / name / "result.json").read_text())
    assert result["teacher"]["path"] == str(teacher)
    assert result["rows"] + result["left_out"] == 40
    assert f"teacher: {teacher}" in out


@pytest.mark.slow
def test_augmented_rows_are_made_and_learned_from(run, outputs, teacher_dir):
    shortened = {"pretrain__max_steps": "2", "pretrain__max_length": "16", "pretrain__batch_size": "8"}
    code, _, err = run(**shortened, pipeline__augment="true", pipeline__baseline="false", augmentation__rows="2")
    assert code == 0, err
    assert {name.split("/")[0] for name in results(outputs)} == {
        *("finetune", "pretrain", "augment", "task", "evaluate", "pipeline")
    }
    name = f"{teacher_dir.name}_tiny3_uniform_tinybert_augmented"
    made = json.loads((outputs / "task" / f"{name}_files" / "result.json").read_text())
    assert made["rows"]["train"] > 160
    assert len(rows_of(outputs, f"{name}_files")) == 3


@pytest.mark.slow
def test_several_tasks_share_the_general_student_and_end_with_their_mean(run, outputs, glue, teacher_dir):
    several = {"task": "sst2", "task__train": None, "task__validation": None, "paths__glue": str(glue)}
    code, out, err = run(**several, pipeline__tasks="[mrpc,mnli]", task__max_length="16", distill__start="general")
    assert code == 0, err
    assert len(list((outputs / "general").glob("*/result.json"))) == 1
    name = f"{teacher_dir.name}_tiny3_uniform_tinybert_mrpc-mnli"
    rows = rows_of(outputs, name)
    assert [row["task"] for row in rows] == ["mrpc"] * 4 + ["mnli"] * 4
    means = json.loads((outputs / "pipeline" / name / "result.json").read_text())["averages"]
    assert means[0]["score"] == pytest.approx((rows[0]["score"] + rows[4]["score"]) / 2)
    submitted = {path.name for path in (outputs / "evaluate").rglob("submission/*.tsv")}
    assert submitted == {"MRPC.tsv", "MNLI-m.tsv", "MNLI-mm.tsv", "AX.tsv"}  # AX by the model of MNLI
    assert "all average" in out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pipeline__latency_length": "65"}, "pipeline.latency_length=65 is too long: the models end at 64"),
        ({"pipeline__export": "true"}, "export.latency.lengths=128 is too long: the models end at 64"),
        (
            {"pipeline__export": "true", "export__push": "true", "export__latency.lengths": "[8]"},
            "a push to the hub needs the name of a repository: set export.repo=USER/NAME",
        ),
    ],
)
def test_what_would_fail_at_the_end_is_found_before_work_begins(run, outputs, change, message):
    code, _, err = run(**change)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert not results(outputs)


def test_one_repository_is_not_for_several_tasks(run, outputs, glue):
    several = {"task": "sst2", "task__train": None, "task__validation": None, "paths__glue": str(glue)}
    push = {"pipeline__export": "true", "export__push": "true", "export__repo": "user/name"}
    code, _, err = run(**several, **push, pipeline__tasks="[mrpc,sst2]")
    assert code == 2
    assert "export.push=true has one repository for 2 tasks" in err


def test_a_mistake_in_a_later_task_is_found_before_the_first_begins(run, outputs, glue):
    several = {"task": "sst2", "task__train": None, "task__validation": None, "paths__glue": str(glue)}
    code, _, err = run(**several, pipeline__tasks="[mrpc,stsb]", task__monitor="accuracy")
    assert code == 2
    assert "accuracy is no metric of this task: this task predicts numbers" in err
    code, _, err = run(**several, pipeline__tasks="[mrpc,mnly]")
    assert code == 2
    assert "task=mnly: there is no such task (did you mean mnli?)" in err
    shutil.rmtree(glue / "QNLI")
    code, _, err = run(**several, pipeline__tasks="[glue]")
    assert code == 2
    assert f"there is no file {glue / 'QNLI'}" in err
    assert err.count("\n") == 1
    assert not results(outputs)


@pytest.mark.slow
def test_a_small_task_of_pairs_learns_from_new_pairs_too(run, outputs, teacher_dir, tmp_path):
    texts = [text for text, _ in animal_rows(160, 2)]
    table = [(text, texts[-i], label) for i, (text, label) in enumerate(animal_rows(160, 0))]
    file = write_csv(tmp_path / "pairs.csv", table, header=("text", "other", "label"))
    given = {"task__train": file, "task__validation": None, "task__text_pair": "other", "pipeline__baseline": "false"}
    code, out, err = run(**given, task__max_length="24", augmentation__neighbors="2")
    assert code == 0, err
    assert "new pairs of its texts" in out
    name = f"{teacher_dir.name}_tiny3_uniform_tinybert_augmented_files"
    made = json.loads((outputs / "task" / name / "result.json").read_text())
    assert made["rows"]["train"] > 300
    asked = {"pipeline__augment": "true", "augmentation__method": "neighbors", "task__max_length": "24"}
    code, out, err = run(**given, **asked, augmentation__neighbors="2")  # in so many words: the same, and no masked LM
    assert code == 0, err
    assert "stage=pretrain" not in out
    assert out.count("finished before with the same settings") == 4
    code, out, err = run(**given, task__max_length="24", pipeline__pairs="false")
    assert code == 0, err
    assert "new pairs of its texts" not in out
    code, _, err = run(stage="augment", augmentation__method="neighbors")
    assert code == 2
    assert "augmentation.method=neighbors makes pairs of texts, and task=files has none" in err
    rows = str(outputs / "augment" / f"{teacher_dir.name}_files_pairs" / "augmented.parquet")
    labels = {
        "stage": "task",
        "augmentation__path": rows,
        "prediction__hard_share": "0.5",
        "output_dir": str(tmp_path / "labels"),
    }
    code, _, err = run(**given, **labels, task__max_length="24")
    assert code == 2
    assert "learns from labels, which the rows of" in err
