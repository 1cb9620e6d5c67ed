"""Cross-encoders are pairs with a score: a tiny one, from labeled pairs to a student that ranks documents."""

import csv
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoModelForSequenceClassification

from tests.conftest import WORDS
from tests.stages.conftest import changed
from tinydistill.artifacts.provenance import record_of

QUICK = {
    "task.text": "query",
    "task.text_pair": "document",
    "task.label": "score",
    "task.monitor": "spearman",
    "task.metrics": "[spearman,pearson]",
    "task.max_length": "24",
    "finetune.teacher.epochs": "8",
    "finetune.teacher.learning_rate": "2e-3",
    "finetune.batch_size": "16",
    "intermediate.epochs": "2",
    "prediction.epochs": "10",
    "prediction.batch_size": "16",
    "prediction.learning_rate": "3e-3",
    "pipeline.baseline": "false",
    "pipeline.pairs": "false",
    "pipeline.report": "false",
    "pipeline.latency_length": "8",
    "pipeline.latency_seconds": "0.001",
}


def rows(count: int, seed: int) -> list[tuple[str, str, str]]:
    """A word, a document, and how often it is about cats: 0.5 points more for each."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        cats = int(random.integers(0, 5))
        words = ["cat"] * cats + random.choice([word for word in WORDS if word != "cat"], 6 - cats).tolist()
        found.append(("cat", " ".join(random.permutation(words)), f"{cats / 2 + 0.25:.2f}"))
    return found


def write(file: Path, table: list[tuple[str, str, str]]) -> str:
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([("query", "document", "score"), *table])
    return str(file)


@pytest.fixture
def files(tmp_path) -> dict[str, str]:
    return {f"task__{name}": write(tmp_path / f"{name}.csv", rows(count, seed))
            for seed, (name, count) in enumerate((("train", 200), ("validation", 60)))}  # fmt: skip


@pytest.mark.slow
def test_a_reranker_is_distilled_and_a_cross_encoder_ranks_with_it(command, task_arguments, files, tmp_path):
    from sentence_transformers import CrossEncoder

    given = {**changed(task_arguments, **files), **QUICK, "stage": "pipeline", "output_dir": str(tmp_path / "compared")}
    code, _, err = command(given)
    assert code == 0, err
    student = next(
        row for row in record_of(tmp_path / "compared").result["models"] if row["model"].endswith("distilled")
    )
    assert student["score"] > 0.5
    model = AutoModelForSequenceClassification.from_pretrained(student["path"])
    assert (model.config.num_labels, model.config.problem_type) == (1, "regression")
    scores = CrossEncoder(student["path"], device="cpu").predict(
        [("cat", "the cat cat sat cat cat"), ("cat", "the old dog sat on a mat")]
    )
    assert scores[0] > scores[1]
