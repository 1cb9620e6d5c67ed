"""stage=task from the command line: a tiny fine-tuned teacher, a tiny general student, a CSV."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertTokenizerFast, PreTrainedModel

from tests.conftest import WORDS, bert
from tests.stages.conftest import Cut, changed
from tinydistill.distillation.layer_distiller import LayerDistiller
from tinydistill.distillation.logit_distiller import LogitDistiller, MergedDistiller
from tinydistill.models.heads import add_head
from tinydistill.models.loading import save_model
from tinydistill.stages import task as stage

LABELS = ("asleep", "awake")


def rows(count: int, seed: int) -> list[tuple[str, str, float]]:
    """Words; which half of the words they are from; how many of them are `dog`, more or less."""
    random = np.random.default_rng(seed)
    classes = random.integers(0, 2, count)
    texts = [" ".join(random.choice(WORDS[4 * c : 4 * c + 4], random.integers(3, 10))) for c in classes]
    return [(text, LABELS[c], text.split().count("dog") + 0.25) for text, c in zip(texts, classes, strict=True)]


def write(file: Path, table: list[tuple[str, str, float]]) -> Path:
    with file.open("w", newline="") as opened:
        csv.writer(opened).writerows([("text", "label", "number"), *table])
    return file


def fine_tuned(tokenizer: BertTokenizerFast, labels: tuple[str, ...]) -> PreTrainedModel:
    """A teacher that knows the task."""
    table = rows(300, 0)
    model = add_head(bert(4, 32, seed=1, initializer_range=0.2, hidden_dropout_prob=0), labels, seed=0).train()
    inputs = tokenizer([text for text, *_ in table], padding=True, return_tensors="pt")
    targets = torch.tensor([labels.index(label) if labels else number for _, label, number in table])
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    for _ in range(40):
        model(**inputs, labels=targets).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


@pytest.fixture(scope="module")
def made(tmp_path_factory, tokenizer) -> Path:
    """A directory with a teacher of classes and one of numbers, a general student, and the rows."""
    directory = tmp_path_factory.mktemp("task")
    save_model(fine_tuned(tokenizer, LABELS), tokenizer, directory / "teacher")
    save_model(fine_tuned(tokenizer, ()), tokenizer, directory / "regressor")
    save_model(bert(2, 16, seed=2, initializer_range=0.2), tokenizer, directory / "student")
    write(directory / "train.csv", rows(96, 1))
    write(directory / "dev.csv", rows(40, 2))
    return directory


@pytest.fixture
def output(tmp_path) -> Path:
    return tmp_path / "outputs" / "distilled"


@pytest.fixture
def run(made, output, tmp_path, command):
    """Runs the stage with some arguments changed; returns (exit code, stdout, stderr)."""
    arguments = {
        "stage": "task",
        "task": "files",
        "task.train": str(made / "train.csv"),
        "task.validation": str(made / "dev.csv"),
        "task.max_length": "16",
        "teacher.path": str(made / "teacher"),
        "student.path": str(made / "student"),
        "intermediate.epochs": "2",
        "intermediate.batch_size": "16",
        "intermediate.learning_rate": "3e-3",
        "prediction.epochs": "3",
        "prediction.batch_size": "16",
        "prediction.learning_rate": "3e-3",
        "trainer.accelerator": "cpu",
        "trainer.precision": "'32'",
        "paths.outputs": str(tmp_path / "outputs"),
        "output_dir": str(output),
    }

    return lambda **changes: command(changed(arguments, **changes))


def result(directory: Path) -> dict:
    return json.loads((directory / "result.json").read_text())


def test_a_student_is_published_that_loads_and_has_learned_the_task(run, output):
    code, out, err = run()
    assert code == 0, err
    assert "learns from teacher" in out
    assert "student and teacher on the task" in out
    assert out.rstrip().endswith(f"artifact: {output}")
    model, info = AutoModelForSequenceClassification.from_pretrained(output, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert model.config.id2label == dict(enumerate(LABELS))
    assert (model.config.hidden_size, model.config.num_hidden_layers) == (16, 2)
    assert AutoTokenizer.from_pretrained(output)("the cat")["input_ids"]
    found = result(output)
    score, teacher = found["scores"]["validation"]["accuracy"], found["teacher_scores"]["validation"]["accuracy"]
    assert (found["score"], found["monitor"]) == (score, "validation/accuracy")
    assert found["retention"] == pytest.approx(100 * score / teacher)
    assert teacher > 0.9
    assert score > found["majority"]["validation"]["accuracy"]
    inner, prediction = found["phases"]["intermediate"], found["phases"]["prediction"]
    assert (inner["mapping"], inner["steps"], prediction["steps"]) == ([2, 4], 12, 18)
    before, after = (sum(row[key] for row in inner["layers"]) for key in ("unexplained_before", "unexplained"))
    assert after < before
    assert prediction["best_step"] in (6, 12, 18)
    assert prediction["train_loss"] > 0
    assert found["rows"] == {"train": 96, "validation": 40}
    provenance = json.loads((output / "provenance.json").read_text())
    assert provenance["configuration"]["prediction"]["epochs"] == 3
    logs = {file.parts[len(output.parts) + 1] for file in output.rglob("metrics.csv")}
    assert logs == {"intermediate", "prediction"}


def test_the_same_settings_again_return_the_finished_result(run, output):
    _, first, _ = run()
    code, out, _ = run()
    assert code == 0
    assert "finished before with the same settings" in out
    assert out.splitlines()[-4:] == first.splitlines()[-4:]
    code, _, err = run(prediction__temperature="2")
    assert code == 2
    assert "prediction.temperature: 1.0 -> 2.0" in err


# teacher


@pytest.fixture
def forwards(monkeypatch) -> list[PreTrainedModel]:
    """An entry for every forward pass of a teacher that the stage loads."""
    seen: list[PreTrainedModel] = []
    load = stage._teacher

    def watched(*arguments):
        model = load(*arguments)
        model.register_forward_hook(lambda *_: seen.append(model))
        model.base_model.register_forward_hook(lambda *_: seen.append(model))
        return model

    monkeypatch.setattr(stage, "_teacher", watched)
    return seen


def test_the_prediction_phase_never_runs_the_teacher(run, output, forwards, monkeypatch):
    before = []
    start = LogitDistiller.on_train_start

    def remember(self):
        before.append(len(forwards))
        start(self)

    monkeypatch.setattr(LogitDistiller, "on_train_start", remember)
    assert run(distil__phases="prediction")[0] == 0
    assert before == [len(forwards)]
    assert before[0] > 0  # for the validation and the training rows
    first = result(output)["phases"]["prediction"]
    forwards.clear()
    assert run(distil__phases="prediction", overwrite="true", prediction__learning_rate="0.003001")[0] == 0
    assert not forwards
    assert result(output)["phases"]["prediction"]["train_loss"] == pytest.approx(first["train_loss"], rel=0.01)


def test_labels_in_another_order_are_caught_before_training(run, made, output, monkeypatch):
    monkeypatch.setattr(LayerDistiller, "training_step", None)
    code, _, err = run(task__labels="[awake,asleep]")
    assert code == 2
    assert "has its labels in another order (asleep, awake) than the task (awake, asleep)" in err
    assert "go on with distill.check_labels=false" in err
    code, _, err = run(task__labels="[awake,asleep]", distil__check_labels="false")
    assert code == 2
    assert "seem to stand in the order asleep, awake" in err
    assert "go on anyway with distill.check_score=false" in err
    assert err.count("\n") == 1
    assert not list(output.parent.glob("distilled*"))


def test_a_mistaken_teacher_is_followed_where_that_is_asked_for(run, output):
    code, _, err = run(
        task__labels="[awake,asleep]",
        distil__check_labels="false",
        distil__check_score="false",
        prediction__max_steps="2",
    )
    assert code == 0, err
    assert result(output)["teacher_score"] < 0.5


def test_without_teacher_or_student_the_stage_that_makes_them_is_named(run, made, tmp_path):
    code, _, err = run(teacher__path=str(made / "student"))
    assert code == 2
    assert "has no classification head, and there is no fine-tuned teacher in" in err
    assert "make one with stage=finetune, or name one with teacher.path=DIR" in err
    code, _, err = run(student__path=None)
    assert code == 2
    assert "there is no general student in" in err
    assert "make one with stage=general, or name one with student.path=DIR" in err


def test_what_the_other_stages_published_is_found(run, made, tmp_path):
    outputs = tmp_path / "outputs"
    shutil.copytree(made / "teacher", outputs / "finetune" / "student_files")
    shutil.copytree(made / "student", outputs / "general" / "student_tiny3_uniform_tinybert_docstrings")
    code, out, err = run(
        teacher__path=str(made / "student"), student__path=None, output_dir=None, intermediate__max_steps="2"
    )
    assert code == 0, err
    assert out.rstrip().endswith(str(outputs / "task" / "student_tiny3_uniform_tinybert_files"))


# phases


@pytest.mark.parametrize(("module", "at", "steps"), [(LayerDistiller, 7, 12), (LogitDistiller, 10, 18)])
def test_a_run_that_was_cut_goes_on_in_its_phase_and_ends_as_if_it_had_not_been(run, output, cut, module, at, steps):
    run()
    expected, first = load_file(output / "model.safetensors"), result(output)
    shutil.rmtree(output)
    seen = cut(module, at)
    with pytest.raises(Cut):
        run()
    assert not output.exists()
    code, out, _ = run()
    assert code == 0
    assert "going on from" in out
    assert ("distilled-intermediate: finished before" in out) == (module is LogitDistiller)
    assert seen == [*range(at + 1), *range(at, steps)]
    resumed, last = load_file(output / "model.safetensors"), result(output)
    for name, value in expected.items():
        torch.testing.assert_close(resumed[name], value, rtol=1e-4, atol=1e-5)
    assert last["scores"] == first["scores"]
    assert last["phases"]["prediction"]["best_step"] == first["phases"]["prediction"]["best_step"]
    inner, other = (found["phases"]["intermediate"] for found in (last, first))
    assert inner["heldout_loss"] == pytest.approx(other["heldout_loss"], rel=1e-4)


def test_the_intermediate_phase_alone_leaves_the_head_to_a_later_prediction_phase(run, output, tmp_path):
    code, out, err = run(distil__phases="intermediate")
    assert code == 0, err
    assert "student and teacher on the task" not in out
    assert (result(output)["scores"], result(output)["retention"]) == (None, None)
    both, then = str(tmp_path / "both"), str(tmp_path / "then")
    assert run(output_dir=both)[0] == 0
    code, out, _ = run(distil__phases="prediction", student__path=str(output), output_dir=then)
    assert code == 0
    assert "has a head for this task, which it keeps" in out
    assert result(Path(then))["scores"] == result(Path(both))["scores"]


def test_merged_phases_learn_layers_and_logits_at_once(run, output, cut):
    code, out, err = run(distil__phases="merged", prediction__epochs="8")
    assert code == 0, err
    assert "learns from teacher" in out
    expected, first = load_file(output / "model.safetensors"), result(output)
    report = first["phases"]["merged"]
    assert (report["steps"], report["mapping"]) == (48, [2, 4])
    assert sum(row["unexplained"] - row["unexplained_before"] for row in report["layers"]) < 0
    assert first["score"] > first["majority"]["validation"]["accuracy"]
    shutil.rmtree(output)
    cut(MergedDistiller, 10)
    with pytest.raises(Cut):
        run(distil__phases="merged", prediction__epochs="8")
    assert run(distil__phases="merged", prediction__epochs="8")[0] == 0
    for name, value in load_file(output / "model.safetensors").items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-5)
    assert result(output)["phases"]["merged"]["heldout_loss"] == pytest.approx(report["heldout_loss"], rel=1e-3)


def test_hard_labels_and_temperature_train_too(run, output):
    code, _, err = run(
        distil__phases="prediction",
        prediction__hard_share="0.5",
        prediction__temperature="2",
        prediction__scale_by_temperature="true",
    )
    assert code == 0, err
    assert result(output)["score"] > result(output)["majority"]["validation"]["accuracy"]
    assert "prediction.hard_share=1.5 is too large" in run(prediction__hard_share="1.5")[2]


def test_a_regression_learns_the_teachers_scores(run, made, output):
    numbers = {"task__label": "number", "task__monitor": "spearman", "task__metrics": "[spearman,pearson]"}
    code, _, err = run(**numbers, teacher__path=str(made / "regressor"), intermediate__max_steps="2")
    assert code == 0, err
    found = result(output)
    assert found["monitor"] == "validation/spearman"
    assert found["score"] > 0.3
    assert AutoModelForSequenceClassification.from_pretrained(output).config.num_labels == 1
    code, _, err = run(**numbers, output_dir=str(output) + "2")
    assert code == 2
    assert "predicts 2 classes (asleep, awake), the task asks for one number" in err


def test_a_teacher_of_other_labels_is_refused(run, made, tmp_path):
    table = [(text, label if i % 3 else "dreaming", number) for i, (text, label, number) in enumerate(rows(60, 3))]
    file = str(write(tmp_path / "three.csv", table))
    code, _, err = run(task__train=file, task__validation=file)
    assert code == 2
    assert "predicts 2 classes (asleep, awake), the task asks for 3 classes (asleep, awake, dreaming)" in err


def test_rows_of_an_augmentation_are_learned_from(run, made, output, tmp_path):
    file = tmp_path / "augmented.parquet"
    texts = [text for text, *_ in rows(96, 1)]
    pq.write_table(pa.table({"text": texts * 2, "source_row": [*range(96)] * 2}), file)
    assert run(augmentation__path=str(file), distil__phases="prediction")[0] == 0
    assert result(output)["rows"]["train"] == 192
    code, _, err = run(augmentation__path="gone.parquet")
    assert code == 2
    assert "augmentation.path=gone.parquet: there is no such file; make it with stage=augment" in err
