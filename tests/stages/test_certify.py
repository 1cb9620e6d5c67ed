"""stage=certify from the command line, and the cascade of what it certified."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

import tinydistill as td
from tests.conftest import bert
from tests.stages.conftest import STATES, fine_tuned, made_task, state_rows, write_csv, write_states
from tinydistill import stages
from tinydistill.config.compose import composed
from tinydistill.errors import InputError
from tinydistill.kinds.binomial import lower_bound
from tinydistill.models.heads import Head, add_head
from tinydistill.models.loading import save_model

TRAIN, DEV = state_rows(300, 1), state_rows(240, 2)


@pytest.fixture(scope="module")
def words(tmp_path_factory, tokenizer) -> dict[str, str]:
    """A teacher and a student that know the task, and its rows, with a column that says where they are from."""
    root = tmp_path_factory.mktemp("certify")
    save_model(fine_tuned(tokenizer, STATES), tokenizer, root / "teacher")
    small = bert(2, 16, seed=3, initializer_range=0.2)
    save_model(fine_tuned(tokenizer, STATES, small, steps=6), tokenizer, root / "student")  # not all of it
    write_states(root / "train.csv", TRAIN)
    sources = [(*row, ("mail", "chat")[i % 2]) for i, row in enumerate(DEV)]
    write_csv(root / "dev.csv", sources, header=("text", "label", "number", "source"))
    return {
        **made_task(root),
        "stage": "certify",
        "certify.path": str(root / "student"),
        "certify.agreement": "0.9",
        "certify.seconds": "0.001",
        "trainer.accelerator": "cpu",
        "paths.outputs": str(root / "outputs"),
    }


@pytest.fixture(scope="module")
def exported(words) -> Path:
    """The student as it is shipped, under its usual name."""
    changes = {"stage": "export", "export.path": words["certify.path"], "export.least_equal": "0.5"}
    changes |= {"export.latency.seconds": "0.001", "export.latency.batch_sizes": "[1]", "export.latency.lengths": "[8]"}
    stages.run(composed([f"{name}={value}" for name, value in (words | changes).items()]))
    return Path(words["paths.outputs"]) / "export" / "student_files"


@pytest.fixture
def run(command, words, tmp_path):
    """Runs the stage with some arguments changed; returns (exit code, stdout, stderr)."""
    fixed = words | {"output_dir": str(tmp_path / "made")}
    return lambda **changes: command({**fixed, **{key.replace("__", "."): value for key, value in changes.items()}})


def result_of(path: Path) -> dict:
    return json.loads((path / "result.json").read_text())


def answers(path: str, texts: list[str], tokenizer) -> np.ndarray:
    model = AutoModelForSequenceClassification.from_pretrained(path).eval()
    with torch.no_grad():
        inputs = tokenizer(texts, padding=True, truncation=True, max_length=16, return_tensors="pt")
        return model(**inputs).logits.argmax(-1).numpy()


def held_out() -> list[tuple[int, str, str]]:
    """The line, text and label of every validation row whose text is in no training row."""
    seen = {text for text, *_ in TRAIN}
    return [(line, text, label) for line, (text, label, _) in enumerate(DEV, start=2) if text not in seen]


def test_a_certificate_counts_rows_that_are_trained_on_nowhere(run, words, tokenizer, tmp_path):
    code, out, err = run(certify__columns="[source]")
    assert code == 0, err
    rows = held_out()
    assert len(rows) < len(DEV)
    ours, theirs = (
        answers(words[name], [row[1] for row in rows], tokenizer) for name in ("certify.path", "teacher.path")
    )
    labels = np.array([STATES.index(row[2]) for row in rows])
    result = result_of(tmp_path / "made")
    form = result["forms"][0]
    assert (result["rows"], result["left_out"]) == (len(rows), len(DEV) - len(rows))
    assert 0 < form["agreeing"] == (ours == theirs).sum() < len(rows)
    assert form["bound"] == pytest.approx(lower_bound(form["agreeing"], len(rows), 0.95))
    assert form["flips"]["negative"] == ((theirs == labels) & (ours != labels)).sum()
    assert form["retention"]["value"] == pytest.approx(100 * (ours == labels).mean() / (theirs == labels).mean())
    slices = {(one["group"], one["name"]): one["rows"] for one in form["slices"]}
    assert slices["source", "mail"] + slices["source", "chat"] == len(rows)
    assert slices["label", "awake"] == labels.sum()
    assert result["kept_aside"] == 30
    assert form["temperature"] != 1
    assert set(result["milliseconds"]) == {"teacher", "PyTorch fp32"}
    assert 0 < form["typos"]["kept"] <= 1
    table = pd.read_csv(tmp_path / "made" / "disagreements" / "pytorch.tsv", sep="\t")
    differing = [rows[i] for i in np.flatnonzero(ours != theirs)]
    assert sorted(table["line"]) == sorted(row[0] for row in differing)
    assert sorted(table["text"]) == sorted(row[1] for row in differing)
    assert f"{len(rows)} rows of validation, {len(DEV) - len(rows)} left out" in out
    assert out.rstrip().endswith(f"artifact: {tmp_path / 'made'}")


@pytest.mark.slow
def test_the_int8_form_is_certified_where_the_student_is_exported_and_the_cascade_uses_it(
    run, words, exported, tokenizer, tmp_path
):
    code, out, err = run()
    assert code == 0, err
    result = result_of(tmp_path / "made")
    assert [form["name"] for form in result["forms"]] == ["PyTorch fp32", "ONNX int8"]
    entry = AutoConfig.from_pretrained(exported).certificate
    assert set(entry["models"]) == {"model.safetensors", "onnx/model.onnx", "onnx/model_quantized.onnx"}
    int8 = result["forms"][1]
    assert int8["cascade"]["value"] is not None
    assert entry["models"]["onnx/model_quantized.onnx"] == {
        "temperature": int8["temperature"],
        "threshold": int8["cascade"]["value"],
        "agrees_at_least": int8["bound"],
        "answers_alone": int8["cascade"]["share"],
    }
    assert (entry["agreement"], entry["max_length"]) == (0.9, 16)
    card = (exported / "README.md").read_text()
    assert card.count("## Certificate") == 1
    assert card.index("## Certificate") < card.index("## Provenance")
    assert "that neither this model nor its teacher was trained on; bounds hold with 95% confidence" in card
    code, out, _ = run(
        certify__path=str(exported), certify__teacher=words["teacher.path"]
    )  # the same weights and files
    assert code == 0
    assert "finished before with the same settings" in out

    texts = [text for _, text, _ in held_out()]
    theirs = answers(words["teacher.path"], texts, tokenizer)
    for runtime in ("onnx", "torch"):
        if runtime == "torch":
            cascade = td.Cascade(exported, words["teacher.path"], runtime="torch")
        else:
            cascade = td.Cascade(exported, words["teacher.path"])
            assert cascade.threshold == int8["cascade"]["value"]
        labels, confidences, answered_by = cascade(texts)
        assert [by == "student" for by in answered_by] == (confidences >= cascade.threshold).tolist()
        form = result["forms"][runtime == "onnx"]
        assert answered_by.count("student") == form["cascade"]["rows"]
        agreeing = np.mean([label == STATES[number] for label, number in zip(labels, theirs, strict=True)])
        assert agreeing >= 0.9
    low = td.Cascade(exported, words["teacher.path"], threshold=1.01)  # never sure enough: the teacher answers all
    assert low(texts).labels == [STATES[number] for number in theirs]


def test_a_report_has_a_section_of_certificates(run, tmp_path):
    run()
    code, _, err = run(stage="report", report__paths=f"[{tmp_path / 'made'}]", output_dir=str(tmp_path / "report"))
    assert code == 0, err
    text = (tmp_path / "report" / "report.md").read_text()
    (form, *_) = result_of(tmp_path / "made")["forms"]
    assert "## Certificates" in text
    assert f"| PyTorch fp32 | {form['agreement']:.2%} | {form['bound']:.2%} |" in text
    assert "<h2" in (tmp_path / "report" / "report.html").read_text()


def test_a_cascade_needs_no_torch_where_both_are_exported(run, exported, tmp_path):
    run()
    code = f"""import sys
import tinydistill as td
cascade = td.Cascade({str(exported)!r}, {str(exported)!r}, threshold=0.9)
labels, confidences, answered_by = cascade(["the cat sat", "dog", "fish sees the old bird"])
assert len(labels) == len(confidences) == len(answered_by) == 3 and set(labels) <= {set(STATES)!r}
assert not {{"torch", "transformers"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("runtime", ["onnx", "torch"])
def test_pairs_are_read_as_the_tokenizer_joins_them_whatever_the_batch(words, exported, tokenizer, runtime):
    texts = [text for text, *_ in DEV[:12]]
    pairs = list(zip(texts, reversed(texts), strict=True))
    inputs = tokenizer(texts, texts[::-1], padding=True, truncation=True, max_length=16, return_tensors="pt")
    with torch.no_grad():
        shares = AutoModelForSequenceClassification.from_pretrained(exported)(**inputs).logits.softmax(-1)
    for size in (None, 5):
        cascade = td.Cascade(
            exported, list, threshold=0, temperature=1, max_length=16, batch_size=size, runtime=runtime
        )
        found = cascade(pairs).confidences
        assert found == pytest.approx(shares.amax(-1).numpy(), abs=1e-5 if runtime == "torch" else 0.02)


def test_a_teacher_may_be_a_function_that_is_asked_for_unsure_texts_alone(words, tokenizer):
    asked = []

    def teacher(texts):
        asked.extend(texts)
        return ["asked"] * len(texts)

    texts = [text for text, *_ in DEV[:40]]
    middle = float(np.median(td.Cascade(words["certify.path"], teacher, threshold=0)(texts).confidences))
    cascade = td.Cascade(words["certify.path"], teacher, threshold=middle, max_length=16, batch_size=7)
    labels, confidences, answered_by = cascade(texts)
    unsure = [text for text, sure in zip(texts, confidences, strict=True) if sure < middle]
    assert 0 < len(unsure) < 40
    assert asked == unsure
    assert [label == "asked" for label in labels] == [by == "teacher" for by in answered_by]
    alone = [STATES[number] for number in answers(words["certify.path"], texts, tokenizer)]
    assert all(label in ("asked", said) for label, said in zip(labels, alone, strict=True))
    assert cascade([]).labels == []


def test_a_cascade_that_cannot_be_is_one_clear_line(words, tokenizer, tmp_path):
    other = add_head(bert(2, 16), Head(("yes", "no")), seed=0)
    save_model(other, tokenizer, tmp_path / "other")
    student = words["certify.path"]
    for make, message in (
        (lambda: td.Cascade(student, words["teacher.path"]), "model.safetensors has no certificate"),
        (
            lambda: td.Cascade(student, tmp_path / "other", threshold=0.9),
            "has other labels \\(yes, no\\) than the student",
        ),
        (lambda: td.Cascade(tmp_path, student, threshold=0.9), "holds no config.json"),
        (lambda: td.Cascade(student, student, threshold=0.9, runtime="onnx"), "holds no ONNX files"),
        (lambda: td.Cascade(student, student, threshold=0.9)("a text"), "answers a list of texts"),
    ):
        with pytest.raises(InputError, match=message):
            make()


def test_further_texts_without_labels_decide_where_they_are_given(run, tmp_path):
    texts = [text for text, *_ in state_rows(400, 7)]
    file = write_csv(tmp_path / "more.csv", [(text,) for text in texts], header=("text",))
    code, _, err = run(certify__file=file, certify__typos="0")
    assert code == 0, err
    result = result_of(tmp_path / "made")
    assert result["split"] == "more.csv"
    assert result["rows"] + result["left_out"] == 400
    form = result["forms"][0]
    assert "typos" not in form
    assert "label" not in {one["group"] for one in form["slices"]}
    assert form["retention"]["value"] is not None  # of the validation rows


def test_a_class_without_rows_is_said_in_the_table(run, words, tokenizer, tmp_path):
    labels = (*STATES, "gone")
    for name, layers in (("three", 2), ("large", 4)):
        save_model(add_head(bert(layers, 16, seed=layers), Head(labels), seed=0), tokenizer, tmp_path / name)
    train = write_csv(tmp_path / "train.csv", [*[row[:2] for row in TRAIN], ("the the the", "gone")] * 1)
    code, out, err = run(
        certify__path=str(tmp_path / "three"), teacher__path=str(tmp_path / "large"), task__train=train
    )
    assert code == 0, err
    assert any("gone" in line and "no rows" in line for line in out.splitlines())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task__validation": "TRAIN"}, "none of the 300 rows of validation is held out"),
        ({"certify__teacher": "/nowhere/at/all"}, "certify.teacher=/nowhere/at/all: there is no such directory"),
        ({"certify__path": None}, "certify.path is not set and stage=task has made no "),
        ({"certify__file": "/nowhere.csv"}, "/nowhere.csv"),
        (
            {"certify__columns": "[where]"},
            "certify.columns names 'where', and validation has the columns text, number, source",
        ),
        ({"task__soft_labels": "[asleep,awake]"}, "name a model with certify.teacher=DIR"),
        ({"certify__agreement": "1.5"}, "certify.agreement=1.5 is too large"),
        (
            {"task__label": "number", "task__monitor": "spearman", "task__metrics": "[spearman]"},
            "predicts 2 classes (asleep, awake), the task asks for one number",
        ),
    ],
)
def test_what_cannot_be_certified_is_one_clear_line(run, words, tmp_path, changes, message):
    code, _, err = run(**{name: words["task.train"] if value == "TRAIN" else value for name, value in changes.items()})
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert not list(tmp_path.glob("made*"))


def test_a_teacher_with_other_labels_is_one_clear_line(run, tokenizer, tmp_path):
    save_model(add_head(bert(4, 32), Head(("a", "b", "c")), seed=0), tokenizer, tmp_path / "other")
    code, _, err = run(certify__teacher=str(tmp_path / "other"))
    assert code == 2
    assert f"certify.teacher={tmp_path / 'other'} predicts 3 classes (a, b, c), the task asks for 2 classes" in err
    assert err.count("\n") == 1
