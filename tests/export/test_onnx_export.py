"""ONNX files of architectures that differ in more than names (those of a BERT: tests/stages/test_export.py)."""

import importlib.util
from pathlib import Path

import pytest
import torch

from tests.export.conftest import INPUTS, files_below, tiny_classifier
from tinydistill.errors import InputError
from tinydistill.export import onnx_export, onnx_files
from tinydistill.export.onnx_session import OnnxModel

BATCH = {"input_ids": torch.arange(5, 41).view(3, 12), "attention_mask": torch.ones(3, 12, dtype=torch.long)}


@pytest.mark.parametrize("name", ["roberta", "distilbert", "modernbert"])
def test_other_architectures_answer_alike_in_onnx(name, exported_before, tmp_path):
    model = exported_before if name == "distilbert" else tiny_classifier(name)
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


def test_what_answers_otherwise_in_int8_is_tried_nearer_to_the_model(exported_before, tmp_path):
    seen, check = refuse("all products")
    made = onnx_files.write(exported_before, INPUTS, tmp_path, ["onnx", "onnx_int8"], longest=60, check=check)
    assert [(name, quantized) for name, quantized, _ in seen] == [
        *(("onnx", ""), ("onnx_int8", "all products"), ("onnx_int8", "all but the last product of each layer"))
    ]
    assert made.withheld == {}
    assert files_below(tmp_path) == {"onnx/model.onnx", "onnx/model_quantized.onnx"}
    plain, all_of_it, less = (logits for *_, logits in seen)
    assert 0 < abs(less - plain).max() < abs(all_of_it - plain).max()


def test_what_answers_otherwise_in_every_way_is_left_out_and_the_rest_is_kept(exported_before, tmp_path):
    _, check = refuse("onnx_int8")
    made = onnx_files.write(exported_before, INPUTS, tmp_path, ["onnx", "onnx_int8"], longest=60, check=check)
    assert list(made.kept) == ["onnx"]
    assert str(made.withheld["onnx_int8"]) == "onnx_int8 all but the last product of each layer answers otherwise"
    assert files_below(tmp_path) == {"onnx/model.onnx"}


def test_packages_that_are_missing_are_named_as_they_are_installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnx" else object())
    with pytest.raises(InputError, match=r"^ONNX needs onnx: pip install onnx onnxruntime onnxscript, or go without"):
        onnx_export.check_installed(["onnx"])
