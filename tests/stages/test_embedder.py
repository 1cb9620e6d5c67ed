"""Sentence embedders from a file of texts to files to ship: one tiny teacher, distilled once; and what stops it."""

import io
import json
import re
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard

from tests.conftest import sentences
from tests.embedders import write_embedder, write_sts
from tinydistill import stages
from tinydistill.artifacts.provenance import record_of
from tinydistill.config.compose import composed
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.tasks.embeddings import Embedding
from tinydistill.data.tasks.examples import Split
from tinydistill.initialization.head import solve_head
from tinydistill.models.embedder import EmbedderHead, load_embedder
from tinydistill.models.heads import add_head

TEXTS = ["the cat sat on the mat", "the dog", "cat"]


@pytest.fixture(scope="module")
def given(tmp_path_factory, tokenizer) -> Path:
    """A teacher, texts, pairs, and queries on documents."""
    directory = tmp_path_factory.mktemp("embedder")
    write_embedder(directory / "teacher", tokenizer)
    (directory / "texts.txt").write_text("\n".join(dict.fromkeys(sentences(400))) + "\n")
    write_sts(directory / "sts.tsv", directory / "teacher", tokenizer)
    texts = sentences(30, seed=4)
    for name, first in (("queries", 0), ("documents", 1)):
        rows = [{"_id": f"{name}{row}", "text": " ".join(text.split()[6 * first :])} for row, text in enumerate(texts)]
        (directory / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    lines = [f"queries{row}\tdocuments{row}" for row in range(30)]
    (directory / "relevance.tsv").write_text("\n".join(["query-id\tcorpus-id", *lines]) + "\n")
    return directory


def options(given: Path, outputs: Path) -> dict[str, str]:
    return {
        "task": "embedding_files",
        "task.train": str(given / "texts.txt"),
        "task.sts": str(given / "sts.tsv"),
        "task.max_length": "16",
        "teacher.path": str(given / "teacher"),
        "student.num_layers": "2",
        "student.hidden_size": "16",
        "student.intermediate_size": "32",
        "student.num_heads": "4",
        "intermediate.epochs": "1",
        "prediction.epochs": "3",
        "prediction.batch_size": "16",
        "prediction.learning_rate": "3e-3",
        "pipeline.latency_length": "8",
        "pipeline.latency_seconds": "0.001",
        "export.latency.lengths": "[8]",
        "export.latency.batch_sizes": "[1]",
        "export.latency.threads": "[1]",
        "export.latency.seconds": "0.001",
        "trainer.accelerator": "cpu",
        "trainer.precision": "'32'",
        "paths.outputs": str(outputs),
    }


def words(given: dict[str, str | None]) -> list[str]:
    return [f"{name}={value}" for name, value in given.items() if value is not None]


@pytest.fixture
def run(command, given, tmp_path):
    """Runs a stage with some options changed; returns (exit code, stdout, stderr)."""
    fixed = options(given, tmp_path / "outputs")
    return lambda **changes: command({**fixed, **{key.replace("__", "."): value for key, value in changes.items()}})


@pytest.fixture(scope="module")
def outputs(given, tmp_path_factory) -> Path:
    """What `tinydistill experiment=embedder` makes, in the files of a user."""
    place = tmp_path_factory.mktemp("outputs")
    also = {name: str(given / file) for name, file in (
        ("task.queries", "queries.jsonl"), ("task.documents", "documents.jsonl"), ("task.relevance", "relevance.tsv")
    )}  # fmt: skip
    stages.run(composed(["experiment=embedder", *words({**options(given, place), **also})]))
    return place


def made(outputs: Path, stage: str) -> Path:
    (directory,) = (path for path in (outputs / stage).iterdir() if path.is_dir())
    return directory


@pytest.mark.slow
def test_the_pipeline_compares_teacher_and_student_and_has_no_baseline(outputs):
    result = record_of(made(outputs, "pipeline")).result
    assert [row["model"] for row in result["models"]] == ["teacher", "student, no training", "student, distilled"]
    teacher, start, student = result["models"]
    assert teacher["metric"] == "sts/spearman"
    assert teacher["score"] > 0.99
    assert student["score"] > start["score"]
    low, high = student["interval"]
    assert low < student["score"] < high
    assert not (outputs / "finetune").exists()
    assert (made(outputs, "report") / "report.html").is_file()


@pytest.mark.slow
def test_held_out_texts_choose_and_pairs_are_reported(outputs):
    result = record_of(made(outputs, "task")).result
    assert (result["chosen_by"], result["monitor"]) == ("selection/cosine", "sts/spearman")
    assert result["teacher_scores"]["selection"]["cosine"] == pytest.approx(1)
    assert set(result["scores"]) == {"selection", "sts", "retrieval"}
    assert result["scores"]["retrieval"].keys() == {"ndcg_at_10"}
    assert result["scores"]["selection"]["cosine"] > result["start_scores"]["selection"]["cosine"] - 0.01


@pytest.mark.slow
def test_sentence_transformers_loads_what_is_shipped_and_scores_it_alike(outputs, given):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.evaluation import EmbeddingSimilarityEvaluator

    for directory in (made(outputs, "task"), made(outputs, "export")):
        model = SentenceTransformer(str(directory), device="cpu")
        assert model.max_seq_length == 16
        lines = [line.split("\t") for line in (given / "sts.tsv").read_text().splitlines()[1:]]
        first, second, scores = zip(*lines, strict=True)
        found = EmbeddingSimilarityEvaluator(first, second, list(map(float, scores)), main_similarity="cosine")(model)
        expected = record_of(made(outputs, "task")).result["scores"]["sts"]
        assert found["spearman_cosine"] == pytest.approx(expected["spearman"], abs=1e-3)
        assert found["pearson_cosine"] == pytest.approx(expected["pearson"], abs=1e-4)
        vectors = torch.from_numpy(model.encode(TEXTS))
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))


@pytest.mark.slow
def test_nothing_that_is_shipped_is_a_pickle(outputs):
    files = [file.name for file in made(outputs, "export").rglob("*") if file.is_file()]
    assert "model.safetensors" in files
    assert not [name for name in files if name.endswith((".bin", ".pt", ".pth", ".pkl", ".ckpt"))]


@pytest.mark.slow
def test_the_onnx_files_answer_as_the_model(outputs, tokenizer):
    from tinydistill.export.onnx_session import OnnxModel

    directory = made(outputs, "export")
    inputs = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        expected = load_embedder(str(directory))(**inputs).sentence_embedding.numpy()
    np.testing.assert_allclose(OnnxModel(directory / "onnx" / "model.onnx")(inputs), expected, atol=1e-5)
    said = OnnxModel(directory / "onnx" / "model_quantized.onnx")(inputs)
    assert (said * expected).sum(1).mean() > 0.98
    checks = {row["name"]: row for row in record_of(directory).result["checks"]}
    assert checks["ONNX int8"]["cosine"] > 0.98
    assert checks["ONNX fp32"]["score"] == pytest.approx(checks["PyTorch fp32"]["score"], abs=1e-3)


@pytest.mark.slow
def test_the_card_says_what_it_is_and_its_programs_run(outputs):
    directory = made(outputs, "export")
    card = ModelCard.load(directory / "README.md")
    assert card.data.library_name == "sentence-transformers"
    assert card.data.pipeline_tag == "sentence-similarity"
    assert "- Teacher: teacher, as it is" in card.text
    programs = re.findall(r"```python\n(.*?)```", card.text, re.DOTALL)
    assert len(programs) == 2
    assert "sentence_transformers" not in programs[1]
    for program in programs:
        said = io.StringIO()
        with redirect_stdout(said):
            exec(program.replace("DIRECTORY", str(directory)), {})
        assert re.match(r"(tensor\()?\[\[(1\.|0\.999)", said.getvalue())  # of a text with itself


@pytest.mark.slow
def test_files_of_predictions_have_a_line_a_pair_and_a_query(outputs):
    of_pairs, of_queries = (
        (made(outputs, "evaluate") / "predictions" / f"{name}.tsv").read_text().splitlines()
        for name in ("sts", "retrieval")
    )
    assert of_pairs[0] == "row\tlabel\tprediction\ttext\ttext_pair"
    assert len(of_pairs) == 1 + 40
    assert of_queries[0] == "row\tlabel\tprediction\tn(gain)\tn(queries)"
    assert len(of_queries) == 1 + 30


@pytest.mark.slow
def test_a_student_goes_on_from_one_that_was_distilled(outputs, run, tmp_path):
    student = {"student__path": str(made(outputs, "task")), "output_dir": str(tmp_path / "made")}
    code, out, err = run(stage="task", distill__phases="none", **student)
    assert code == 0, err
    assert "has a head for this task, which it keeps" in out
    expected = record_of(made(outputs, "task")).result["score"]
    assert record_of(tmp_path / "made").result["score"] == pytest.approx(expected, abs=1e-6)


def test_both_losses_at_once_and_texts_that_are_held_out(run, tmp_path):
    merged = {"distill__phases": "merged", "task__sts": None, "output_dir": str(tmp_path / "made")}
    losses = {"prediction__embedding__mse": "1", "prediction__embedding__similarity": "0.5"}
    code, _, err = run(stage="task", **merged, **losses)
    assert code == 0, err
    result = record_of(tmp_path / "made").result
    assert (result["chosen_by"], result["monitor"]) == ("selection/cosine", "heldout/cosine")
    assert result["retention"] == pytest.approx(100 * result["score"])


def test_any_embedder_is_evaluated_and_one_without_judged_texts_has_no_score(run, given, tmp_path):
    code, _, err = run(stage="evaluate", evaluate__path=str(given / "teacher"), output_dir=str(tmp_path / "one"))
    assert code == 0, err
    assert record_of(tmp_path / "one").result["score"] > 0.99
    where = {"evaluate__path": str(given / "teacher"), "output_dir": str(tmp_path / "two")}
    code, _, err = run(stage="evaluate", task__sts=None, **where)
    assert code == 0, err
    assert record_of(tmp_path / "two").result["score"] is None


@torch.no_grad()
def test_the_map_of_a_new_student_is_solved_for(given, tokenizer, tmp_path):
    """Of a student whose states are the teacher's nothing is left unexplained; nor is the encoder touched."""
    path = str(given / "teacher")
    teacher = load_embedder(path)
    student = add_head(teacher.encoder, EmbedderHead().like(path, None, max_length=16), seed=0).eval()
    rows = TaskDataModule(_Source(), tokenizer, max_length=16, batch_size=8, cache_dir=tmp_path)
    batches = list(rows.train_dataloader())
    for batch in batches:
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
        batch["teacher_logits"] = teacher(**inputs).sentence_embedding
    before = {name: value.clone() for name, value in student.encoder.state_dict().items()}
    assert solve_head(student, batches) < 0.02
    assert all((value == before[name]).all() for name, value in student.encoder.state_dict().items())
    found = student(**{name: batches[0][name] for name in ("input_ids", "attention_mask")}).sentence_embedding
    assert (found * batches[0]["teacher_logits"]).sum(1).mean() > 0.99


class _Source:
    target = Embedding()

    def train(self) -> Split:
        return Split("train", sentences(400))


# what stops it


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"stage": "finetune"}, "task=embedding_files has no labels to learn from: its teacher is taken as it is"),
        (
            {"stage": "task", "prediction__hard_share": "0.5"},
            "prediction.hard_share=0.5 learns from labels, which the rows of task=embedding_files don't have",
        ),
        (
            {"stage": "task", "prediction__embedding__cosine": "0"},
            "every loss on embeddings is switched off; set prediction.embedding.cosine=1",
        ),
        ({"stage": "task", "task__train": None}, "there are no texts to train on: name some with task.train or"),
        ({"stage": "task", "task__monitor": "accuracy"}, "accuracy is no metric of this task: this task predicts"),
        ({"stage": "task", "task__sts_columns": "[a,b]"}, "aren't three columns: set task.sts_columns to those of"),
        (
            {"stage": "task", "task__queries": "missing.jsonl"},
            "queries are named, and no documents: set",
        ),
    ],
)
def test_what_stops_it_is_one_clear_line(run, changes, said):
    code, _, err = run(**changes)
    assert code == 2
    assert said in err
    assert err.count("\n") == 1


def test_a_teacher_that_embeds_no_sentences_is_refused_before_anything_is_read(run, teacher_dir):
    code, _, err = run(stage="task", teacher__path=str(teacher_dir), task__train="missing.txt")
    assert code == 2
    assert f"teacher.path={teacher_dir} is no sentence embedder: it has no modules.json" in err
