"""Teachers of other kinds: probabilities that come with the rows, one with other tokens, one that labels a file."""

import json

import pandas as pd
import pytest
from transformers import BertTokenizerFast

from tests.conftest import SPECIAL, WORDS, bert
from tests.stages.conftest import changed, state_rows, write_states
from tinydistill.models.loading import save_model


@pytest.fixture
def run(distillation_arguments, command):
    """stage=task with some arguments changed; returns (exit code, stdout, stderr)."""
    return lambda **changes: command(changed(distillation_arguments, **changes))


def result(directory) -> dict:
    return json.loads((directory / "result.json").read_text())


@pytest.fixture
def output(distillation_arguments, tmp_path):
    distillation_arguments["output_dir"] = str(tmp_path / "outputs" / "made")
    return tmp_path / "outputs" / "made"


@pytest.fixture
def soft_rows(tmp_path) -> str:
    """Rows whose classes are told by a probability each."""
    table = state_rows(96, 1)
    awake = [0.9 if label == "awake" else 0.1 for _, label, _ in table]
    columns = {"text": [text for text, *_ in table], "asleep": [1 - share for share in awake], "awake": awake}
    pd.DataFrame(columns).to_csv(tmp_path / "soft.csv", index=False)
    return str(tmp_path / "soft.csv")


SOFT = {"task__soft_labels": "[asleep,awake]", "task__validation": None, "teacher__path": None}


def test_probabilities_stand_for_the_logits_of_a_teacher(run, output, soft_rows, teacher_dir):
    soft = {**SOFT, "task__train": soft_rows, "teacher__path": str(teacher_dir)}
    code, out, err = run(**soft, student__path=None, student__num_layers="2", student__hidden_size="16",
                         student__num_heads="4", student__intermediate_size="32")  # fmt: skip
    assert code == 0, err
    assert "a new student of this task: closed_form" in out
    found = result(output)
    assert found["teacher_score"] == 1
    assert found["scores"]["validation"]["accuracy"] > found["majority"]["validation"]["accuracy"]
    assert found["phases"].keys() == {"intermediate", "prediction"}
    assert (output / "predictions" / "teacher" / "validation.tsv").is_file()


def test_where_validation_has_labels_alone_such_a_teacher_has_no_score(run, output, soft_rows, made, teacher_dir):
    soft = {**SOFT, "task__train": soft_rows, "teacher__path": str(teacher_dir)}
    code, _, err = run(**{**soft, "task__validation": str(made / "dev.csv")})
    assert code == 2
    assert "dev.csv has no column 'asleep'" in err


def test_rows_that_no_probability_stands_for_are_refused(run, soft_rows, teacher_dir, tmp_path):
    more = write_states(tmp_path / "more.csv", state_rows(8, 5))
    soft = {**SOFT, "task__train": soft_rows, "teacher__path": str(teacher_dir)}
    code, _, err = run(**soft, task__unlabeled=str(more))
    assert code == 2
    assert "task.soft_labels are the teacher's answers, and the rows of augmentation.path and task.unlabeled" in err


@pytest.mark.slow
def test_a_pipeline_of_soft_labels_needs_no_fine_tuned_teacher(command, distillation_arguments, soft_rows, teacher_dir):
    kept = {name: value for name, value in distillation_arguments.items() if name not in ("output_dir", "student.path")}
    small = {"num_layers": "2", "hidden_size": "16", "num_heads": "4", "intermediate_size": "32"}
    arguments = changed(
        {**kept, **{f"student.{name}": value for name, value in small.items()}},
        **{**SOFT, "task__train": soft_rows, "teacher__path": str(teacher_dir)},
        stage="pipeline", pipeline__report="true", pipeline__latency_length="8", pipeline__latency_seconds="0.01",
        finetune__student__epochs="1",
    )  # fmt: skip
    code, out, err = command(arguments)
    assert code == 0, err
    assert "files: teacher" not in out
    assert "1.000" in next(line for line in out.splitlines() if line.strip().startswith("files accuracy   teacher"))


@pytest.mark.slow
def test_a_student_with_other_tokens_learns_the_teachers_logits(run, output, made, tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join([*SPECIAL, "more", *reversed(WORDS[1:])]) + "\n")
    other = BertTokenizerFast(str(tmp_path / "vocab.txt"))
    save_model(bert(2, 16, seed=5), other, tmp_path / "other")
    code, _, err = run(student__path=str(tmp_path / "other"))
    assert code == 2
    assert "don't share a vocabulary" in err
    code, _, err = run(student__path=str(tmp_path / "other"), distill__phases="prediction", prediction__epochs="40")
    assert code == 0, err
    assert (output / "vocab.txt").read_text() == (tmp_path / "vocab.txt").read_text()
    found = result(output)
    assert found["teacher_score"] > 0.9
    assert found["score"] > found["majority"]["validation"]["accuracy"]


def test_a_student_learns_from_rows_without_labels_as_well(run, output, tmp_path):
    more = write_states(tmp_path / "more.csv", [(text, "?", 0.0) for text, *_ in state_rows(64, 9)])
    code, _, err = run(task__unlabeled=str(more))
    assert code == 0, err
    found = result(output)
    assert found["rows"]["train"] == 96 + 64
    assert found["phases"]["prediction"]["steps"] > 18
    code, _, err = run(task__unlabeled=str(tmp_path / "none.csv"))
    assert code == 2
    assert "there is no file" in err
    assert "task.unlabeled" in err
    code, _, err = run(task__unlabeled=str(more), prediction__hard_share="0.5", overwrite="true")
    assert code == 2
    assert "take prediction.hard_share=0" in err


def test_a_teacher_labels_a_file_that_a_student_is_trained_on(command, run, distillation_arguments, output, tmp_path):
    kept = {name: value for name, value in distillation_arguments.items() if name != "student.path"}
    texts = write_states(tmp_path / "texts.csv", [(text, "?", 0.0) for text, *_ in state_rows(96, 7)])
    labels = str(tmp_path / "outputs" / "labels")
    code, out, err = command({**kept, "stage": "label", "label.file": str(texts), "output_dir": labels})
    assert code == 0, err
    lines = [json.loads(line) for line in (tmp_path / "outputs/labels/labeled.jsonl").read_text().splitlines()]
    assert [line["text"] for line in lines] == [text for text, *_ in state_rows(96, 7)]
    assert all(line["label"] == max(line["soft_labels"], key=line["soft_labels"].get) for line in lines)
    right = sum(line["label"] == label for line, (_, label, _) in zip(lines, state_rows(96, 7), strict=True))
    assert right > 80
    assert "96 rows with text, label, soft_labels" in out
    code, out, err = command({**kept, "stage": "label", "label.file": str(texts), "output_dir": labels})
    assert "finished before" in out
    code, _, err = run(task__train=f"{labels}/labeled.jsonl", task__soft_labels="[soft_labels]", task__validation=None)
    assert code == 0, err
    assert result(output)["teacher_score"] == 1


def test_a_file_to_label_must_be_named(command, distillation_arguments):
    code, _, err = command({**distillation_arguments, "stage": "label"})
    assert code == 2
    assert "label.file is not set: name the file of texts, label.file=FILE" in err
