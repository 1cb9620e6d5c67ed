"""stage=finetune from the command line, on tiny models and a task of their own."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests.conftest import bert
from tests.stages.conftest import Cut, animal_rows, write_csv
from tinydistill import stages
from tinydistill.artifacts.provenance import record_of
from tinydistill.config.compose import stored
from tinydistill.training.classifier import Classifier
from tinydistill.training.prediction_files import prediction_file, read_predictions


@pytest.fixture
def run(command, task_arguments):
    """Runs the stage with some arguments changed; returns (exit code, stdout, stderr)."""
    quick = {
        "stage": "finetune",
        "finetune.batch_size": "16",
        "finetune.teacher.epochs": "3",
        "finetune.teacher.learning_rate": "2e-3",
        "finetune.student.epochs": "3",
        "finetune.student.learning_rate": "5e-3",
    }
    return lambda **changes: command(
        {**task_arguments, **quick, **{key.replace("__", "."): value for key, value in changes.items()}}
    )


@pytest.fixture
def output(task_arguments) -> Path:
    return Path(task_arguments["output_dir"])


def result_of(output: Path) -> dict:
    return json.loads((output / "result.json").read_text())


def test_a_fine_tuned_teacher_is_published_that_loads_with_the_tasks_labels(run, output):
    code, out, _ = run()
    assert code == 0
    assert out.rstrip().endswith(f"artifact: {output}")
    assert "rows of files: train 160, validation 40" in out
    model, info = AutoModelForSequenceClassification.from_pretrained(output, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert model.config.id2label == {0: "cat", 1: "dog"}
    assert model.config.label2id == {"cat": 0, "dog": 1}
    assert model.config.problem_type == "single_label_classification"
    ids = AutoTokenizer.from_pretrained(output)("the dog ran", return_tensors="pt")
    assert model(**ids).logits.argmax() == 1
    result = result_of(output)
    assert result["monitor"] == "validation/accuracy"
    assert result["score"] == result["scores"]["validation"]["accuracy"] > 0.9
    assert result["majority"]["validation"]["accuracy"] == 0.5
    assert result["rows"] == {"train": 160, "validation": 40}
    assert result["steps"] == 30
    assert result["best_step"] in (10, 20, 30)
    assert result["parameters"] == sum(p.numel() for p in model.parameters())
    said = read_predictions(prediction_file(output, "validation"))
    assert said is not None
    assert said.rows.tolist() == list(range(40))
    assert (said.labels == said.predictions).mean() == pytest.approx(result["score"])
    assert {p.name for p in output.iterdir()} >= {"vocab.txt", "provenance.json", "logs"}
    assert not list(output.rglob("*.ckpt"))


def test_the_published_weights_score_what_the_result_says(run, output, task_arguments):
    run(finetune__teacher__learning_rate="5e-4")
    model = AutoModelForSequenceClassification.from_pretrained(output).eval()
    tokenizer = AutoTokenizer.from_pretrained(output)
    texts, labels = zip(*animal_rows(40, 1), strict=True)
    with torch.no_grad():
        found = model(**tokenizer(list(texts), return_tensors="pt", padding=True)).logits.argmax(-1)
    right = [model.config.id2label[int(number)] == label for number, label in zip(found, labels, strict=True)]
    assert sum(right) / 40 == pytest.approx(result_of(output)["score"])


def test_the_best_epoch_is_chosen_on_rows_kept_aside_and_reported_on_others(run, output, tmp_path):
    more = write_csv(tmp_path / "more.csv", animal_rows(240, 0))
    code, out, err = run(task__train=more, finetune__teacher__learning_rate="3e-4")
    assert code == 0, err
    assert "rows of files: train 216, selection 24, validation 40" in out
    result = result_of(output)
    epochs = result["epochs"]
    assert [(epoch["epoch"], epoch["step"]) for epoch in epochs] == [(1, 14), (2, 28), (3, 42)]
    best = max(epochs, key=lambda epoch: epoch["selection/accuracy"])  # the first on a tie
    assert result["best_step"] == best["step"]
    assert (result["chosen_by"], result["monitor"]) == ("selection/accuracy", "validation/accuracy")
    assert result["selection_score"] == result["scores"]["selection"]["accuracy"] == best["selection/accuracy"]
    assert result["score"] == result["scores"]["validation"]["accuracy"] == best["validation/accuracy"]
    for epoch in epochs:
        shown = f"selection/accuracy {epoch['selection/accuracy']:.3f}  validation/accuracy"
        assert f"epoch {epoch['epoch']}: {shown} {epoch['validation/accuracy']:.3f}" in out
    made = record_of(output)
    assert stages.run(stored(made.configuration)) == result["selection_score"]  # what a sweep goes by


def test_where_no_rows_are_kept_aside_that_is_said(run, output):
    code, out, _ = run()
    assert code == 0
    assert "no training rows are kept aside: the best epoch is chosen by validation too" in out
    assert result_of(output)["chosen_by"] == "validation/accuracy"


@pytest.mark.parametrize("init", ["random", "closed_form"])
def test_a_student_is_trained_without_distillation(run, output, init):
    code, out, _ = run(finetune__model="student", student__init=init)
    assert code == 0
    model = AutoModelForSequenceClassification.from_pretrained(output)
    assert (model.config.num_hidden_layers, model.config.hidden_size) == (2, 16)
    assert model.config.id2label == {0: "cat", 1: "dog"}
    assert result_of(output)["score"] > 0.9
    assert "student on files" in out


def test_a_student_may_start_from_a_directory_and_needs_no_teacher_then(run, output, teacher_dir, tmp_path):
    start = shutil.copytree(teacher_dir, tmp_path / "student")
    code, _, _ = run(finetune__model="student", student__path=str(start), teacher__path="/nowhere/at/all")
    assert code == 0
    assert AutoModelForSequenceClassification.from_pretrained(output).config.num_hidden_layers == 4


def test_a_fine_tuned_model_can_be_tuned_again_with_a_head_for_other_labels(run, output, tmp_path):
    run()
    rows = [(text, f"{label} {i % 3}") for i, (text, label) in enumerate(animal_rows(60, 2))]
    again = tmp_path / "outputs" / "again"
    files = {name: write_csv(tmp_path / f"{name}.csv", rows) for name in ("six", "six_dev")}
    code, _, _ = run(
        teacher__path=str(output), output_dir=str(again), task__train=files["six"], task__validation=files["six_dev"]
    )
    assert code == 0
    assert len(AutoModelForSequenceClassification.from_pretrained(again).config.id2label) == 6


def test_a_regression_learns_numbers(run, output, tmp_path):
    rows = [(text, "4.5" if label == "dog" else "0.25") for text, label in animal_rows(160, 0)]
    file = write_csv(tmp_path / "numbers.csv", rows)
    code, _, _ = run(
        task__train=file, task__validation=None, task__monitor="pearson", task__metrics="[pearson,spearman]"
    )
    assert code == 0
    result = result_of(output)
    assert result["monitor"] == "validation/pearson"
    assert result["score"] > 0.9
    assert result["majority"]["validation"] == {"pearson": None, "spearman": None}
    config = AutoModelForSequenceClassification.from_pretrained(output).config
    assert (config.problem_type, config.num_labels) == ("regression", 1)


def test_the_same_settings_again_return_the_finished_result(run, output):
    _, first, _ = run()
    before = (output / "model.safetensors").stat().st_mtime_ns
    code, out, _ = run(runtime__num_workers="1")
    assert code == 0
    assert "finished before with the same settings" in out
    assert out.splitlines()[-3:] == first.splitlines()[-3:]
    assert (output / "model.safetensors").stat().st_mtime_ns == before


def test_other_settings_are_refused_with_the_difference(run):
    run()
    code, _, err = run(finetune__teacher__learning_rate="0.5")
    assert code == 2
    assert "options.finetune.teacher.learning_rate: 0.002 -> 0.5" in err
    assert run(finetune__student__learning_rate="0.5")[0] == 0  # the other model's make no difference


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "teacher_files"),
        ({"finetune__model": "student", "student__init": "random"}, "tiny3-random_files"),
    ],
)
def test_without_output_dir_the_name_is_made_from_the_choices(run, tmp_path, changes, name):
    epochs = {"finetune__teacher__epochs": "1", "finetune__student__epochs": "1"}
    assert run(output_dir=None, **epochs, **changes)[0] == 0
    assert (tmp_path / "outputs" / "finetune" / name / "config.json").is_file()


def written(rows, name="bad.csv", header=("text", "label")):
    return lambda tmp_path: write_csv(tmp_path / name, rows, header)


GOOD = animal_rows(8, 0)
BAD = {
    "label that is not listed": (
        {"task__labels": "[cat,dog]", "task__validation": written([*GOOD[:2], ("the fish", "fish")])},
        "bad.csv line 4: 'fish' in column 'label' is no label of this task",
    ),
    "too few columns": ({"task__train": written([*GOOD, ("the cat",)])}, "bad.csv line 10 has too few columns"),
    "empty text": ({"task__train": written([*GOOD, ("", "cat")])}, "bad.csv line 10: the text is empty"),
    "one class to validate on": (
        {"task__validation": written([row for row in GOOD if row[1] == "cat"])},
        "bad.csv: all 4 rows have the same label, so no score means anything: set task.validation to another file",
    ),
    "missing file": ({"task__train": lambda tmp_path: "/nowhere/train.csv"}, "there is no file /nowhere/train.csv"),
    "class names for a regression": (
        {"task__regression": lambda _: "true", "task__monitor": lambda _: "spearman", "task__metrics": lambda _: "[]"},
        "'cat' in column 'label' is not a number, which a regression needs",
    ),
    "duplicate columns": (
        {"task__train": written([(*row, "x") for row in GOOD], header=("text", "label", "label"))},
        "bad.csv has 2 columns called 'label'",
    ),
    "metric of numbers for classes": (
        {"task__monitor": lambda _: "pearson"},
        "this task predicts classes, which are scored by accuracy, f1, matthews: set task.monitor=accuracy",
    ),
    "rows too long": ({"task__max_length": lambda _: "65"}, "task.max_length=65 is too long: the model ends at 64"),
    "student too wide": (
        {"finetune__model": lambda _: "student", "student__hidden_size": lambda _: "64"},
        "the closed form needs a student no wider than the teacher, not 64 and 32: take student.init=random",
    ),
    "unknown model": ({"finetune__model": lambda _: "techer"}, "finetune.model=techer is not one of teacher, student"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_line_and_leaves_nothing(case, run, tmp_path):
    changes, message = BAD[case]
    given = {key: value(tmp_path) if callable(value) else value for key, value in changes.items()}
    code, _, err = run(**given)
    assert code == 2
    assert message in err
    assert err.startswith("tinydistill: error: ")
    assert err.count("\n") == 1
    made = {p.relative_to(tmp_path / "outputs") for p in (tmp_path / "outputs").rglob("*") if p.is_file()}
    assert {p.name for p in made if p.parts[0] != "cache"} <= {".made.lock"}


def test_a_teacher_without_a_tokenizer_is_refused(run, tmp_path):
    bert().save_pretrained(tmp_path / "bare")
    code, _, err = run(teacher__path=str(tmp_path / "bare"))
    assert code == 2
    assert "holds no vocabulary (tokenizer.json or vocab.txt)" in err
    assert err.count("\n") == 1


# how long, and how fast

RATES = {"finetune__teacher__learning_rate": "[1e-5,2e-3,1e-3]", "finetune__teacher__patience": "null"}


@pytest.fixture
def learned(monkeypatch) -> list[int]:
    """The batches that have been begun."""
    step, seen = Classifier.training_step, []

    def training_step(self, batch, batch_idx):
        seen.append(batch_idx)
        return step(self, batch, batch_idx)

    monkeypatch.setattr(Classifier, "training_step", training_step)
    return seen


def timeless(result: dict) -> dict:
    return {**result, "seconds": 0, "trials": [{**one, "seconds": 0} for one in result["trials"]]}


@pytest.mark.slow
def test_of_several_rates_the_best_is_kept_and_all_are_told(run, output, learned, tmp_path):
    code, out, err = run(**RATES)
    assert code == 0, err
    found = result_of(output)
    assert len(learned) == 3 * found["steps"] == 90  # on few rows each trains in full
    trials = found["trials"]
    assert [one["learning_rate"] for one in trials] == [1e-5, 2e-3, 1e-3]
    best = max(trials, key=lambda one: one["selection_score"])  # the first on a tie
    assert (found["learning_rate"], found["score"]) == (best["learning_rate"], best["score"])
    assert found["score"] > trials[0]["score"]
    assert f"learning rate {best['learning_rate']:g} has the best validation/accuracy" in out
    assert "learning rates that were tried" in out
    assert (output / "logs").is_dir()
    single = tmp_path / "outputs" / "single"
    rate = {"finetune__teacher__learning_rate": str(best["learning_rate"]), "finetune__teacher__patience": "null"}
    assert run(output_dir=str(single), **rate)[0] == 0
    assert timeless(result_of(single)) == {**timeless(found), "trials": []}


def test_on_many_rows_rates_are_tried_for_a_tenth_of_the_steps_and_the_best_trains_in_full(run, output, learned):
    code, out, err = run(**RATES, finetune__teacher__trial_rows="100", finetune__teacher__epochs="4")
    assert code == 0, err
    found = result_of(output)
    assert [one["steps"] for one in found["trials"]] == [4, 4, 4]
    assert found["steps"] == 40
    assert len(learned) == 3 * 4 + 40
    assert [epoch["epoch"] for epoch in found["epochs"]] == [1, 2, 3, 4]
    assert out.count("a tenth of the steps") == 3


@pytest.mark.slow
def test_a_trial_that_is_finished_is_not_made_again(run, output, cut):
    assert run(**RATES)[0] == 0
    whole = result_of(output)
    shutil.rmtree(output)
    seen = cut(Classifier, 37)  # in the second trial
    with pytest.raises(Cut):
        run(**RATES)
    code, out, _ = run(**RATES)
    assert code == 0
    assert "made-1e-05: finished before" in out
    assert len(seen) == 90 + 1  # the second trial went on where it was cut
    assert timeless(result_of(output)) == timeless(whole)


@pytest.mark.parametrize(("rate", "said"), [("[]", "an empty list"), ("[1,fast]", "is no number"), ("-1", "too small")])
def test_what_is_no_rate_is_refused_in_a_line(run, rate, said):
    code, _, err = run(finetune__teacher__learning_rate=rate)
    assert code == 2
    assert f"finetune.teacher.learning_rate{'' if rate == '[]' else '='}" in err
    assert said in err
    assert err.count("\n") == 1


def test_a_teacher_that_gets_no_better_stops_and_a_student_goes_on(run, output, tmp_path):
    still = {"finetune__teacher__learning_rate": "0", "finetune__student__learning_rate": "0"}
    code, out, err = run(**still, finetune__teacher__epochs="6")
    assert code == 0, err
    assert (result_of(output)["steps"], result_of(output)["best_step"]) == (30, 10)
    assert "validation/accuracy was no better 2 times: training ends at step 30" in out
    student, own = (tmp_path / "outputs" / name for name in ("student", "own"))
    six = {"finetune__teacher__epochs": "6", "finetune__student__epochs": "6"}
    assert run(**still, **six, finetune__model="student", output_dir=str(student))[0] == 0
    assert result_of(student)["steps"] == 60
    assert run(**still, **six, callbacks="early_stopping", output_dir=str(own))[0] == 0
    assert result_of(own)["steps"] == 40  # whose patience is 3


def test_without_a_number_of_epochs_the_rows_decide(run):
    code, out, _ = run(finetune__teacher__epochs="null", finetune__batch_size="80")
    assert code == 0
    assert "8 times the 160 rows" in out
