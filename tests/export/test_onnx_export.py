"""ONNX files of architectures that differ in more than names (those of a BERT: tests/stages/test_export.py)."""

import copy
import importlib.util

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from tests.encoders import ENCODERS
from tinydistill.errors import InputError
from tinydistill.export import onnx_export
from tinydistill.export.onnx_session import OnnxModel

INPUTS = ("input_ids", "attention_mask")


@pytest.mark.parametrize("name", ["roberta", "distilbert", "modernbert"])
def test_other_architectures_answer_alike_in_onnx(name, tmp_path):
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(copy.deepcopy(ENCODERS[name])).eval()
    files = onnx_export.export_onnx(model, INPUTS, tmp_path, ["onnx", "onnx_int8"], longest=60)
    ids = torch.randint(3, 60, (3, 60))
    mask = torch.ones_like(ids)
    mask[1, 20:] = 0
    batch = {"input_ids": ids, "attention_mask": mask}
    with torch.no_grad():
        logits = model(**batch).logits.numpy()
    assert abs(OnnxModel(files["onnx"])(batch) - logits).max() < 1e-5
    assert abs(OnnxModel(files["onnx_int8"])(batch) - logits).max() < 0.3
    assert model.config._attn_implementation == "sdpa"


def test_packages_that_are_missing_are_named_as_they_are_installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnx" else object())
    with pytest.raises(InputError, match=r"^ONNX needs onnx: pip install onnx onnxruntime onnxscript, or go without"):
        onnx_export.check_installed()
