"""stage=evaluate from the command line: tiny models with heads of all kinds."""

import csv
import json
import zipfile
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from tests.conftest import bert
from tests.stages.conftest import animal_rows, write_csv
from tinydistill.config.compose import composed
from tinydistill.models.heads import Head, add_head
from tinydistill.models.loading import save_model

GLUE_FILES = composed(["stage=evaluate"]).evaluate.submission


@pytest.fixture
def model(tokenizer, tmp_path):
    """Makes a model with a head for the given labels, none for a regression; its directory."""

    def make(*labels: str, name: str = "model") -> Path:
        save_model(add_head(bert(seed=2), Head(labels), seed=0), tokenizer, tmp_path / name)
        return tmp_path / name

    return make


@pytest.fixture
def run(command, task_arguments):
    """Runs the stage with some arguments changed; returns (exit code, stdout, stderr)."""
    fixed = {**task_arguments, "stage": "evaluate", "evaluate.batch_size": "16"}
    return lambda **changes: command({**fixed, **{key.replace("__", "."): value for key, value in changes.items()}})


@pytest.fixture
def output(task_arguments) -> Path:
    return Path(task_arguments["output_dir"])


def result_of(output: Path) -> dict:
    return json.loads((output / "result.json").read_text())


def lines_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines, dialect="excel-tab"))


def test_every_row_is_predicted_in_its_order_and_scored(run, model, output, tokenizer):
    path = model("cat", "dog")
    code, out, _ = run(evaluate__path=str(path))
    assert code == 0
    assert out.rstrip().endswith(f"artifact: {output}")
    texts, labels = zip(*animal_rows(40, 1), strict=True)
    with torch.no_grad():
        loaded = AutoModelForSequenceClassification.from_pretrained(path).eval()
        shares = loaded(**tokenizer(list(texts), return_tensors="pt", padding=True)).logits.softmax(-1)
    lines = lines_of(output / "predictions" / "validation.tsv")
    assert [line["row"] for line in lines] == [str(row) for row in range(40)]
    assert [line["label"] for line in lines] == list(labels)
    assert [line["prediction"] for line in lines] == [("cat", "dog")[i] for i in shares.argmax(-1).tolist()]
    assert [float(line["p(dog)"]) for line in lines] == pytest.approx(shares[:, 1].tolist(), abs=1e-4)
    right = sum(line["label"] == line["prediction"] for line in lines) / 40
    result = result_of(output)
    assert result["score"] == result["scores"]["validation"]["accuracy"] == pytest.approx(right)
    assert result["majority"]["validation"]["accuracy"] == 0.5


def test_what_was_fine_tuned_scores_as_it_did_then(run, command, task_arguments, output, tmp_path):
    tuned = {"stage": "finetune", "finetune.teacher.learning_rate": "5e-4", "finetune.teacher.epochs": "2"}
    assert command({**task_arguments, **tuned, "output_dir": None})[0] == 0
    path = tmp_path / "outputs" / "finetune" / "teacher_files"
    assert run(evaluate__path=str(path))[0] == 0
    assert result_of(output)["score"] == pytest.approx(result_of(path)["score"])


def test_test_rows_are_predicted_with_labels_or_without(run, model, output, tmp_path):
    labeled = write_csv(tmp_path / "test.csv", animal_rows(20, 3))
    plain = write_csv(tmp_path / "plain.csv", [(text,) for text, _ in animal_rows(10, 3)], header=("text",))
    path = str(model("cat", "dog"))
    assert run(evaluate__path=path, task__test=labeled)[0] == 0
    assert result_of(output)["scores"].keys() == {"validation", "test"}
    other = output.with_name("other")
    assert run(evaluate__path=path, task__test=plain, output_dir=str(other))[0] == 0
    assert result_of(other)["scores"].keys() == {"validation"}
    lines = lines_of(other / "predictions" / "test.tsv")
    assert len(lines) == 10
    assert {line["label"] for line in lines} == {""}


def test_a_regression_predicts_numbers(run, model, output, tmp_path):
    rows = [(text, str(i / 7)) for i, (text, _) in enumerate(animal_rows(20, 3))]
    numbers = {"task__train": write_csv(tmp_path / "a.csv", rows), "task__validation": None}
    chosen = {"task__monitor": "spearman", "task__metrics": "[spearman,pearson]"}
    code, _, _ = run(evaluate__path=str(model()), **numbers, **chosen)
    assert code == 0
    (first, *_) = lines_of(output / "predictions" / "validation.tsv")
    assert first.keys() == {"row", "label", "prediction", "line", "text"}
    assert float(first["prediction"]) == pytest.approx(0, abs=2)


def test_the_same_again_returns_the_finished_result(run, model):
    path = str(model("cat", "dog"))
    run(evaluate__path=path)
    code, out, _ = run(evaluate__path=path, evaluate__batch_size="5")
    assert code == 0
    assert "finished before with the same settings" in out


@pytest.fixture
def run_glue(command, task_arguments, glue):
    """Evaluates a model on a GLUE task in the original layout."""
    kept = {k: v for k, v in task_arguments.items() if not k.startswith("task") and k != "output_dir"}

    def call(task: str, path: Path) -> tuple[int, str, str]:
        named = {"stage": "evaluate", "task": task, "paths.glue": str(glue), "evaluate.path": str(path)}
        return command({**kept, **named, "task.max_length": "64"})

    return call


@pytest.mark.slow
def test_a_submission_is_written_for_every_task_and_zipped_when_all_are_there(run_glue, model, tmp_path):
    trained = {
        "cola": ("unacceptable", "acceptable"),
        "sst2": ("negative", "positive"),
        "mrpc": ("not_equivalent", "equivalent"),
        "qqp": ("not_duplicate", "duplicate"),
        "stsb": (),
        "mnli": ("entailment", "neutral", "contradiction"),
        "qnli": ("entailment", "not_entailment"),
        "rte": ("entailment", "not_entailment"),
        "wnli": ("not_entailment", "entailment"),
    }
    outs = {}
    for task in [*trained, "ax"]:
        of_task = "mnli" if task == "ax" else task
        path = model(*trained[of_task], name=f"bert_{of_task}")
        code, outs[task], err = run_glue(task, path)
        assert code == 0, err
    assert "a whole submission still lacks AX.tsv" in outs["wnli"]
    (archive,) = (tmp_path / "outputs" / "evaluate").glob("*.zip")
    assert f"all tasks are there: {archive}" in outs["ax"]
    with zipfile.ZipFile(archive) as files:
        assert files.namelist() == GLUE_FILES
        content = {name: files.read(name).decode().splitlines() for name in GLUE_FILES}
    assert {name: len(lines) for name, lines in content.items()} == dict.fromkeys(GLUE_FILES, 5) | {"AX.tsv": 6}
    assert all(lines[0] == "index\tprediction" for lines in content.values())
    rows = {name: [line.split("\t") for line in lines[1:]] for name, lines in content.items()}
    assert all([row[0] for row in of_file] == [str(i) for i in range(len(of_file))] for of_file in rows.values())
    said = {name: {row[1] for row in of_file} for name, of_file in rows.items()}
    for name in ("CoLA.tsv", "SST-2.tsv", "MRPC.tsv", "QQP.tsv", "WNLI.tsv"):
        assert said[name] <= {"0", "1"}
    for name in ("MNLI-m.tsv", "MNLI-mm.tsv", "AX.tsv"):
        assert said[name] <= {"entailment", "neutral", "contradiction"}
    for name in ("QNLI.tsv", "RTE.tsv"):
        assert said[name] <= {"entailment", "not_entailment"}
    assert all(float(number) == pytest.approx(0, abs=3) for number in said["STS-B.tsv"])


def test_conf_names_a_submission_file_for_every_test_split_of_glue():
    tasks = [composed([f"task={name}"]).task for name in "cola sst2 mrpc stsb qqp mnli qnli rte wnli ax".split()]
    named = [file for task in tasks for file in task.submission]
    assert sorted(named) == sorted(GLUE_FILES)
    for task in tasks:
        assert len(task.submission) == len(task.test_splits)
        assert len(task.submission_labels) == len(task.labels)


def test_the_score_of_mnli_is_that_of_the_matched_rows(run_glue, model, tmp_path):
    assert run_glue("mnli", model("entailment", "neutral", "contradiction", name="x_mnli"))[0] == 0
    (made,) = (tmp_path / "outputs" / "evaluate").glob("*x_mnli")
    result = result_of(made)
    assert result["monitor"] == "validation_matched/accuracy"
    assert result["scores"].keys() == {"validation_matched", "validation_mismatched"}


def test_a_directory_without_a_head_is_refused(run, tokenizer, tmp_path):
    save_model(bert(), tokenizer, tmp_path / "encoder")
    code, _, err = run(evaluate__path=str(tmp_path / "encoder"))
    assert code == 2
    assert "holds no head for the task: make one with stage=finetune" in err


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (("a", "b", "c"), "predicts 3 classes (a, b, c), the task asks for 2 classes (cat, dog)"),
        ((), "predicts one number, the task asks for 2 classes (cat, dog)"),
        (("dog", "cat"), "has its labels in another order (dog, cat) than the task (cat, dog)"),
    ],
)
def test_a_model_of_another_task_is_one_clear_line_and_leaves_nothing(run, model, output, labels, message):
    code, _, err = run(evaluate__path=str(model(*labels)))
    assert code == 2
    assert err.startswith("tinydistill: error: ")
    assert message in err
    assert err.count("\n") == 1
    assert not output.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"evaluate__path": "/nowhere/at/all"}, "evaluate.path=/nowhere/at/all: there is no such directory"),
        ({"evaluate__path": None}, "evaluate.path is not set and stage=task has made no "),
        ({"task__monitor": "spearman"}, "set task.monitor=accuracy and 'task.metrics=[accuracy]'"),
        ({"task__metrics": "[accuracy,pearson]"}, "pearson is no metric of this task: this task predicts classes"),
        ({"task__validation": "/nowhere/dev.csv"}, "there is no file /nowhere/dev.csv"),
    ],
)
def test_what_is_missing_is_one_clear_line(run, model, changes, message):
    code, _, err = run(**{"evaluate__path": str(model("cat", "dog")), **changes})
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
