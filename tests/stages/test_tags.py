"""Tagged words from a user's file to files to ship: tiny models, the whole pipeline."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

from tests.conftest import WORDS
from tests.stages.conftest import changed
from tinydistill.export.onnx_session import OnnxModel

ANIMALS, COLORS = ("cat", "dog", "fish", "bird"), ("red", "blue")


def tagged(count: int, seed: int) -> list[tuple[list[str], list[str]]]:
    """Sentences in which animals, with the color before them, are entities."""
    random, rows = np.random.default_rng(seed), []
    for _ in range(count):
        words = random.choice(WORDS, random.integers(4, 9)).tolist()
        tags = ["O"] * len(words)
        for place, word in enumerate(words):
            if word in ANIMALS:
                colored = place and words[place - 1] in COLORS
                tags[place - 1 if colored else place] = "B-ANIMAL"
                tags[place] = "I-ANIMAL" if colored else "B-ANIMAL"
        rows.append((words, tags))
    return rows


def write_conll(file: Path, rows: list[tuple[list[str], list[str]]]) -> str:
    lines = ["\n".join(f"{word} {tag}" for word, tag in zip(*row, strict=True)) for row in rows]
    file.write_text("\n\n".join(lines) + "\n")
    return str(file)


@pytest.fixture
def run(command, task_arguments, tmp_path):
    """stage=pipeline on tagged sentences with some arguments changed; returns (exit code, stdout, stderr)."""
    arguments = {
        **{name: value for name, value in task_arguments.items() if not name.startswith("task")},
        "stage": "pipeline",
        "output_dir": None,
        "task": "tag_files",
        "task.train": write_conll(tmp_path / "train.conll", tagged(200, 0)),
        "task.validation": write_conll(tmp_path / "dev.conll", tagged(60, 1)),
        "task.max_length": "12",
        "finetune.batch_size": "8",
        "finetune.teacher.epochs": "8",
        "finetune.teacher.learning_rate": "3e-3",
        "finetune.student.epochs": "1",
        "intermediate.epochs": "1",
        "prediction.epochs": "10",
        "prediction.batch_size": "8",
        "prediction.learning_rate": "5e-3",
        "pipeline.latency_length": "8",
        "pipeline.latency_seconds": "0.01",
        "pipeline.report": "false",
    }
    return lambda **changes: command(changed(arguments, **changes))


@pytest.mark.slow
def test_a_tagger_is_distilled_compared_and_shipped_and_answers_alike_everywhere(run, tmp_path):
    code, out, err = run(
        pipeline__export="true",
        pipeline__report="true",
        export__latency__seconds="0",
        export__latency__lengths="[8]",
        export__latency__batch_sizes="[1]",
        export__latency__threads="[1]",
        export__least_equal="0.9",
    )
    assert code == 0, err + out
    (compared,) = (tmp_path / "outputs" / "pipeline").glob("*/result.json")
    rows = {row["model"]: row for row in json.loads(compared.read_text())["models"]}
    assert rows["teacher"]["metric"] == "validation/entity_f1"
    assert rows["teacher"]["score"] > 0.9
    student = rows["student, distilled"]
    assert student["score"] > max(0.5, rows["student, not distilled"]["score"])
    assert student["interval"][0] <= student["score"] <= student["interval"][1]
    (report,) = (tmp_path / "outputs" / "report").glob("*/report.md")
    assert "95% intervals" in report.read_text()

    shipped = next((tmp_path / "outputs" / "export").glob("*/README.md")).parent
    model = AutoModelForTokenClassification.from_pretrained(shipped)
    assert set(model.config.id2label.values()) == {"O", "B-ANIMAL", "I-ANIMAL"}
    words = ["the", "red", "cat", "sees", "a", "dog"]
    inputs = AutoTokenizer.from_pretrained(shipped)(" ".join(words), return_tensors="pt")
    with torch.no_grad():
        expected = model(**inputs).logits
    session = OnnxModel(shipped / "onnx" / "model.onnx")
    assert session(inputs) == pytest.approx(expected.numpy(), abs=1e-4)
    said = pipeline("token-classification", str(shipped), aggregation_strategy="first")(" ".join(words))
    tags = [model.config.id2label[number] for number in expected[0].argmax(-1).tolist()][1:-1]
    assert [one["word"].split()[-1] for one in said] == [
        word for word, tag, after in zip(words, tags, [*tags[1:], "O"], strict=True) if tag != "O" and after[:1] != "I"
    ]
    card = (shipped / "README.md").read_text()
    assert "pipeline_tag: token-classification" in card
    assert "for every word one of the tags" in card
    assert 'pipeline("token-classification", "DIRECTORY", aggregation_strategy="first", stride=3)' in card


def test_a_metric_of_other_tasks_is_one_clear_line(run):
    code, _, err = run(task__monitor="accuracy")
    assert code == 2
    assert "accuracy is no metric of this task: this task predicts tags, which are scored by entity_f1" in err
