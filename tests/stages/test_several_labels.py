"""Several labels at once from the command line: a user's file, all stages, and what is shipped."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from tests.conftest import WORDS, bert
from tests.stages.conftest import changed, write_csv
from tinydistill.kinds.several_labels import THRESHOLDS
from tinydistill.kinds.thresholds import best_thresholds
from tinydistill.models.heads import Head, add_head
from tinydistill.models.loading import save_model

LABELS = ("cat", "dog", "fish", "red")
NAME = "tiny3_uniform_tinybert_multilabel-files"


def labeled_rows(count: int, seed: int) -> list[tuple[str, str]]:
    """Sentences, and which of four words are in them."""
    random = np.random.default_rng(seed)
    texts = [" ".join(random.choice(WORDS, 8)) for _ in range(count)]
    return [(text, "|".join(label for label in LABELS if label in text.split())) for text in texts]


@pytest.fixture
def several(task_arguments, tmp_path) -> dict[str, str | None]:
    """Training rows enough to keep some aside, in a few seconds a stage."""
    rows = {name: write_csv(tmp_path / f"{name}.csv", labeled_rows(*size), ("text", "topics"))
            for name, size in {"train": (400, 0), "validation": (60, 1)}.items()}  # fmt: skip
    return {
        **task_arguments,
        "task": "multilabel_files",
        "task.train": rows["train"],
        "task.validation": rows["validation"],
        "task.label": "topics",
        "task.label_separator": "pipe",
        "output_dir": None,
        "finetune.batch_size": "8",
        "finetune.teacher.epochs": "16",
        "finetune.teacher.patience": "null",
        "finetune.teacher.learning_rate": "2e-3",
        "finetune.student.epochs": "1",
        "intermediate.epochs": "1",
        "intermediate.batch_size": "16",
        "prediction.epochs": "3",
        "prediction.batch_size": "16",
        "prediction.learning_rate": "3e-3",
        "distill.check_score": "false",
        "pipeline.latency_length": "8",
        "pipeline.latency_seconds": "0.01",
        "pipeline.report": "false",
        "export.latency.batch_sizes": "[1]",
        "export.latency.lengths": "[4]",
        "export.latency.threads": "[1]",
        "export.latency.seconds": "0.001",
        "export.least_equal": "0",
    }


def read(file: Path) -> dict:
    return json.loads(file.read_text())


def split_labels(names: list[str]) -> list[set[str]]:
    """The labels of rows as a file of predictions shows them."""
    return [set() if name == "(none)" else set(name.split(" | ")) for name in names]


@pytest.mark.slow
def test_a_user_s_file_becomes_a_shipped_model_with_thresholds_of_its_own(command, several, teacher_dir, tmp_path):
    code, out, err = command(changed(several, stage="pipeline", pipeline__export="true"))
    assert code == 0, err
    outputs, name = tmp_path / "outputs", f"{teacher_dir.name}_{NAME}"
    teacher, student = outputs / "finetune" / f"{teacher_dir.name}_multilabel-files", outputs / "task" / name
    rows = read(outputs / "pipeline" / name / "result.json")["models"]
    assert [row["model"] for row in rows] == [
        *("teacher", "student, not distilled", "student, no training", "student, distilled")
    ]
    assert rows[0]["score"] > 0.9
    assert all(row["interval"][0] <= row["score"] <= row["interval"][1] for row in rows)
    assert "multilabel_files micro_f1" in out
    # each model's thresholds are those that suit it on the rows kept aside
    chosen = {}
    for made in (teacher, student):
        said = pd.read_csv(made / "predictions" / "selection.tsv", sep="\t", keep_default_na=False)
        shares = said[[f"p({label})" for label in LABELS]].to_numpy()
        known = np.array([[label in labels for label in LABELS] for labels in split_labels(said["label"])], np.float32)
        config = read(made / "config.json")
        chosen[made] = config[THRESHOLDS]
        assert chosen[made] == pytest.approx(best_thresholds(shares, known), abs=1e-5)
        assert config["problem_type"] == "multi_label_classification"
    assert chosen[teacher] != chosen[student]
    # what is scored, evaluated and shipped goes by them
    result = read(student / "result.json")
    evaluated = next((outputs / "evaluate").glob("*/result.json")).parent
    assert read(evaluated / "result.json")["scores"]["validation"] == pytest.approx(result["scores"]["validation"])
    made = outputs / "export" / name
    assert read(made / "config.json")[THRESHOLDS] == chosen[student]
    assert read(made / "result.json")["score"] == pytest.approx(result["score"])
    assert (made / "onnx" / "model_quantized.onnx").is_file()
    check_answers(made, evaluated / "predictions" / "validation.tsv")


def check_answers(made: Path, predictions: Path) -> None:
    """PyTorch, a pipeline and onnxruntime, and the programs of the card, give the labels that stage=evaluate gave."""
    texts = [text for text, _ in labeled_rows(60, 1)]
    said = split_labels(pd.read_csv(predictions, sep="\t", keep_default_na=False)["prediction"])
    thresholds = read(made / "config.json")[THRESHOLDS]
    model = AutoModelForSequenceClassification.from_pretrained(made).eval()
    with torch.no_grad():
        batch = AutoTokenizer.from_pretrained(made)(texts, padding=True, return_tensors="pt")
        reached = model(**batch).logits.sigmoid() >= torch.tensor(thresholds)
    assert [{LABELS[n] for n in row.nonzero().flatten()} for row in reached] == said
    answers = pipeline("text-classification", str(made), top_k=None, device="cpu")(texts)
    at_least = dict(zip(LABELS, thresholds, strict=True))
    assert [{one["label"] for one in found if one["score"] >= at_least[one["label"]]} for found in answers] == said
    card = (made / "README.md").read_text()
    assert f"any number of the labels cat ({thresholds[0]:.3g})" in card
    programs = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert ["transformers" in program for program in programs] == [True, False]
    for program in programs:
        code = program.replace("DIRECTORY", str(made)).replace('["a text"]', json.dumps(texts))
        code = code.replace("model_quantized.onnx", "model.onnx")
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert [set(json.loads(line.replace("'", '"'))) for line in done.stdout.splitlines()] == said


def make_teacher(tokenizer, path: Path, head: Head | None = None) -> str:
    """A teacher that knows nothing."""
    head = head or Head(LABELS, problem_type="multi_label_classification")
    save_model(add_head(bert(4, 32, seed=1, initializer_range=0.2), head, seed=0), tokenizer, path)
    return str(path)


@pytest.mark.slow
def test_a_teacher_that_comes_without_thresholds_gets_some_and_one_with_them_keeps_them(
    command, several, tokenizer, tmp_path
):
    teacher = Path(make_teacher(tokenizer, tmp_path / "tuned"))
    given = {"stage": "task", "teacher__path": str(teacher), "distill__phases": "none"}
    code, _, err = command(changed(several, **given, output_dir=str(tmp_path / "first")))
    assert code == 0, err
    first = read(tmp_path / "first" / "result.json")
    config = read(teacher / "config.json")
    (teacher / "config.json").write_text(json.dumps({**config, THRESHOLDS: [1.0] * 4}))
    code, _, err = command(changed(several, **given, output_dir=str(tmp_path / "second")))
    assert code == 0, err
    second = read(tmp_path / "second" / "result.json")
    assert second["teacher_scores"]["validation"]["micro_f1"] == 0  # nothing is certain
    assert first["teacher_scores"]["validation"]["micro_f1"] > 0.2
    assert first["scores"] == second["scores"]
    assert len(read(tmp_path / "first" / "config.json")[THRESHOLDS]) == 4
    code, _, err = command(changed(several, **given, output_dir=str(tmp_path / "first")))
    assert code == 2  # it isn't the same teacher any more
    (teacher / "config.json").write_text(json.dumps({**config, THRESHOLDS: [2.0] * 4}))
    code, _, err = command(changed(several, **given))
    assert (code, err.count("\n")) == (2, 1)
    assert "tinydistill_thresholds in the model's config.json must be 4 numbers from 0 to 1" in err


@pytest.mark.slow
def test_a_run_that_goes_on_finds_the_thresholds_of_what_is_finished(
    command, several, tokenizer, tmp_path, monkeypatch
):
    from tinydistill.stages import task

    given = {"stage": "task", "teacher__path": make_teacher(tokenizer, tmp_path / "tuned"), "prediction__epochs": "1"}
    arguments = changed(several, **given, distill__phases="prediction", output_dir=str(tmp_path / "made"))

    class Stop(BaseException):
        pass

    def stop(*_, **__):
        raise Stop

    monkeypatch.setattr(task, "_is_worse", lambda *_: False)  # the student that was trained is the one that is kept
    with monkeypatch.context() as patch:
        patch.setattr(task.loading, "save_model", stop)
        with pytest.raises(Stop):
            command(arguments)
    code, out, err = command(arguments)
    assert code == 0, err
    assert "prediction: finished before" in out
    report = read(tmp_path / "made" / "result.json")["phases"]["prediction"]
    assert read(tmp_path / "made" / "config.json")[THRESHOLDS] == report["configuration"][THRESHOLDS]
    assert report["configuration"][THRESHOLDS] != [0.5] * 4


def test_a_model_without_thresholds_answers_from_a_half_on_which_is_said(command, several, tokenizer, tmp_path):
    model = make_teacher(tokenizer, tmp_path / "model")
    code, out, err = command(
        changed(several, stage="evaluate", evaluate__path=model, output_dir=str(tmp_path / "made"))
    )
    assert code == 0, err
    assert out.count(f"evaluate.path={model} says nothing of tinydistill_thresholds in its config.json") == 1
    said = pd.read_csv(tmp_path / "made" / "predictions" / "validation.tsv", sep="\t", keep_default_na=False)
    for labels, shares in zip(
        split_labels(said["prediction"]), said[[f"p({x})" for x in LABELS]].to_numpy(), strict=True
    ):
        assert labels == {label for label, share in zip(LABELS, shares, strict=True) if share >= 0.5}


def test_models_of_one_label_and_of_several_are_not_taken_for_each_other(command, several, tokenizer, tmp_path):
    single = make_teacher(tokenizer, tmp_path / "single", Head(LABELS))
    code, _, err = command(changed(several, stage="task", teacher__path=single))
    assert (code, err.count("\n")) == (2, 1)
    assert (
        f"teacher.path={single} predicts one label or number (its problem_type is single_label_classification), the"
        in err
    )
    many = make_teacher(tokenizer, tmp_path / "many", Head(("cat", "dog"), problem_type="multi_label_classification"))
    rows = write_csv(tmp_path / "one.csv", [("a cat", "cat"), ("a dog", "dog")] * 4)
    of_one = {"task": "files", "task__label": "label", "task__label_separator": None, "task__train": rows}
    code, _, err = command(changed(several, stage="task", teacher__path=many, **of_one, task__validation=rows))
    assert (code, err.count("\n")) == (2, 1)
    assert f"teacher.path={many} predicts any number of labels (its problem_type is multi_label_classification)" in err


def test_answers_to_further_texts_are_lists_of_labels_that_can_be_trained_on(command, several, tokenizer, tmp_path):
    texts = write_csv(tmp_path / "texts.csv", [(text,) for text, _ in labeled_rows(30, 2)], ("text",))
    labeled = {"stage": "label", "label__path": make_teacher(tokenizer, tmp_path / "model"), "label__file": texts}
    code, _, err = command(changed(several, **labeled, output_dir=str(tmp_path / "made")))
    assert code == 0, err
    (file,) = (tmp_path / "made").glob("*.jsonl")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(rows) == 30
    assert all(set(row["labels"]) <= set(LABELS) for row in rows)
    again = {"task__train": str(file), "task__label": "labels", "task__label_separator": None, "task__validation": None}
    code, _, err = command(
        changed(several, stage="task", teacher__path=str(tmp_path / "model"), distill__phases="none", **again)
    )
    assert code == 0, err
