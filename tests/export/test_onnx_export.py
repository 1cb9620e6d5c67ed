"""ONNX files of architectures that differ in more than names (those of a BERT: tests/stages/test_export.py)."""

import copy
import importlib.util
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from tests.encoders import ENCODERS
from tinydistill.errors import InputError
from tinydistill.export import onnx_export, onnx_files
from tinydistill.export.onnx_session import OnnxModel

INPUTS = ("input_ids", "attention_mask")
BATCH = {"input_ids": torch.arange(5, 41).view(3, 12), "attention_mask": torch.ones(3, 12, dtype=torch.long)}


@pytest.mark.parametrize("name", ["roberta", "distilbert", "modernbert"])
def test_other_architectures_answer_alike_in_onnx(name, tmp_path):
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(copy.deepcopy(ENCODERS[name])).eval()
    files = onnx_files.write(model, INPUTS, tmp_path, ["onnx", "onnx_int8"], longest=60).kept
    ids = torch.randint(3, 60, (3, 60))
    mask = torch.ones_like(ids)
    mask[1, 20:] = 0
    batch = {"input_ids": ids, "attention_mask": mask}
    with torch.no_grad():
        logits = model(**batch).logits.numpy()
    assert abs(OnnxModel(files["onnx"])(batch) - logits).max() < 1e-5
    assert abs(OnnxModel(files["onnx_int8"])(batch) - logits).max() < 0.3
    assert model.config._attn_implementation == "sdpa"


def refuse(*bad: str):
    """A check that refuses files by their format, or by what is quantized."""
    seen = []

    def check(name: str, file: Path, quantized: str) -> None:
        seen.append((name, quantized, OnnxModel(file)(BATCH)))
        if name in bad or quantized in bad:
            raise InputError(f"{name} {quantized} answers otherwise")

    return seen, check


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_config(copy.deepcopy(ENCODERS["distilbert"])).eval()


def files(directory: Path) -> set[str]:
    return {str(file.relative_to(directory)) for file in directory.rglob("*") if file.is_file()}


def test_what_answers_otherwise_in_int8_is_tried_nearer_to_the_model(model, tmp_path):
    seen, check = refuse("all products")
    made = onnx_files.write(model, INPUTS, tmp_path, ["onnx", "onnx_int8"], longest=60, check=check)
    assert [(name, quantized) for name, quantized, _ in seen] == [
        *(("onnx", ""), ("onnx_int8", "all products"), ("onnx_int8", "all but the last product of each layer"))
    ]
    assert made.withheld == {}
    assert files(tmp_path) == {"onnx/model.onnx", "onnx/model_quantized.onnx"}
    plain, all_of_it, less = (logits for *_, logits in seen)
    assert 0 < abs(less - plain).max() < abs(all_of_it - plain).max()


def test_what_answers_otherwise_in_every_way_is_left_out_and_the_rest_is_kept(model, tmp_path):
    _, check = refuse("onnx_int8")
    made = onnx_files.write(model, INPUTS, tmp_path, ["onnx", "onnx_int8"], longest=60, check=check)
    assert list(made.kept) == ["onnx"]
    assert str(made.withheld["onnx_int8"]) == "onnx_int8 all but the last product of each layer answers otherwise"
    assert files(tmp_path) == {"onnx/model.onnx"}


def test_packages_that_are_missing_are_named_as_they_are_installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnx" else object())
    with pytest.raises(InputError, match=r"^ONNX needs onnx: pip install onnx onnxruntime onnxscript, or go without"):
        onnx_export.check_installed(["onnx"])
