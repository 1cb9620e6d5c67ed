"""A model that was never distilled goes to int8 with one command and one file of rows."""

import json
from pathlib import Path

import pytest
import torch
from transformers import (
    AlbertConfig,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    MPNetConfig,
    RobertaConfig,
    pipeline,
)

from tests.conftest import SPECIAL, WORDS
from tests.stages.conftest import animal_rows, write_csv

SIZES = {
    "vocab_size": len(SPECIAL) + len(WORDS),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "initializer_range": 0.5,
}
LABELS = {"id2label": {0: "cat", 1: "dog"}, "label2id": {"cat": 0, "dog": 1}}
DISENTANGLED = {"relative_attention": True, "position_buckets": 16, "pos_att_type": ["p2c", "c2p"]}
ENCODERS = {
    "bert": BertConfig(**SIZES, **LABELS),
    "distilbert": DistilBertConfig(
        vocab_size=SIZES["vocab_size"],
        dim=32,
        n_layers=2,
        n_heads=4,
        hidden_dim=64,
        max_position_embeddings=64,
        **LABELS,
    ),
    "roberta": RobertaConfig(**SIZES, **LABELS),
    "electra": ElectraConfig(**SIZES, embedding_size=16, **LABELS),
    "albert": AlbertConfig(**SIZES, embedding_size=16, **LABELS),
    "mpnet": MPNetConfig(**SIZES, **LABELS),
    "deberta-v3": DebertaV2Config(**SIZES, **DISENTANGLED, position_biased_input=False, **LABELS),
}


@pytest.fixture
def quantize(command, tmp_path):
    """Runs the one command there is; returns (exit code, stdout, stderr)."""
    latency = {"batch_sizes": "[1]", "lengths": "[4]", "threads": "[1]", "seconds": "0.001"}
    return lambda model, rows, **more: command(
        {
            "stage": "export",
            "export.path": str(model),
            "task": "files",
            "task.validation": str(rows),
            "task.max_length": "16",
            "output_dir": str(tmp_path / "made"),
            **{f"export.latency.{name}": value for name, value in latency.items()},
            **more,
        }
    )


def save(model, tokenizer, path: Path) -> Path:
    """As plain transformers does it."""
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.mark.parametrize(
    "name", ["distilbert", *(pytest.param(n, marks=pytest.mark.slow) for n in ENCODERS if n != "distilbert")]
)
def test_any_encoder_goes_to_int8_and_answers_alike(quantize, tokenizer, tmp_path, name):
    torch.manual_seed(0)
    path = save(AutoModelForSequenceClassification.from_config(ENCODERS[name]), tokenizer, tmp_path / "model")
    rows = animal_rows(40, 3)
    code, out, err = quantize(path, write_csv(tmp_path / "rows.csv", rows))
    assert code == 0, err
    assert "it wasn't distilled here: the model is measured alone" in out
    made = tmp_path / "made"
    result = json.loads((made / "result.json").read_text())
    _, fp32, int8 = result["checks"]
    assert fp32["difference"] < 1e-4
    assert (int8["answers"], int8["quantized"]) == (40, "all products")
    assert (made / "onnx" / "model_quantized.onnx").is_file()
    texts = [text for text, _ in rows]
    before = pipeline("text-classification", str(path), device="cpu")(texts)
    after = pipeline("text-classification", str(made), device="cpu")(texts)
    assert [one["label"] for one in after] == [one["label"] for one in before]


@pytest.mark.slow
def test_a_tagger_does_too(quantize, tokenizer, tmp_path):
    torch.manual_seed(0)
    labels = {"id2label": {0: "O", 1: "B-PET"}, "label2id": {"O": 0, "B-PET": 1}}
    path = save(
        AutoModelForTokenClassification.from_config(BertConfig(**SIZES, **labels)), tokenizer, tmp_path / "model"
    )
    lines = [
        json.dumps(
            {"tokens": text.split(), "tags": ["B-PET" if word in ("cat", "dog") else "O" for word in text.split()]}
        )
        for text, _ in animal_rows(20, 3)
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    code, _, err = quantize(path, tmp_path / "rows.jsonl", task="tag_files", **{"export.least_equal": "0.8"})
    assert code == 0, err
    assert (tmp_path / "made" / "onnx" / "model_quantized.onnx").is_file()


def test_what_it_cannot_be_checked_with_is_one_clear_line(quantize, tokenizer, tmp_path):
    torch.manual_seed(0)
    path = save(AutoModelForSequenceClassification.from_config(ENCODERS["bert"]), tokenizer, tmp_path / "model")
    code, _, err = quantize(path, "null")
    assert (code, err) == (
        2,
        "tinydistill: error: there are no rows to score: set task.validation to a file of labeled rows\n",
    )
    rows = write_csv(tmp_path / "rows.csv", [("a cat", "cat"), ("a fox", "fox")])
    code, _, err = quantize(path, rows)
    assert (code, err.count("\n")) == (2, 1)
    assert "rows.csv line 3: 'fox' in column 'label' is no label of this task, whose labels are cat, dog" in err
