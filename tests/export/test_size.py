"""Sizes and FLOPs beside their formulas."""

import torch
from transformers import AutoModelForSequenceClassification, BertConfig

from tinydistill.export.size import file_bytes, size
from tinydistill.models.loading import parameters


def test_parameters_are_told_apart_and_flops_are_those_of_the_formula():
    width, inner, layers, length, words = 16, 40, 3, 9, 50
    config = BertConfig(
        vocab_size=words,
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=20,
    )
    with torch.device("cpu"):
        model = AutoModelForSequenceClassification.from_config(config)
    found = size(model, length)
    layer = 4 * (width * width + width) + 2 * width * inner + inner + width + 4 * width
    assert found["embedding"] == (words + 20 + 2 + 2) * width
    assert found["encoder"] == layers * layer
    assert found["embedding"] + found["encoder"] + found["head"] == parameters(model)
    products = length * (4 * width * width + 2 * width * inner) + 2 * length * length * width
    assert found["flops"] == 2 * (layers * products + width * width + width * 2)


def test_what_a_large_onnx_file_keeps_beside_itself_is_counted(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"12")
    (tmp_path / "model.onnx.data").write_bytes(b"345")
    assert file_bytes(tmp_path / "model.onnx") == 5
