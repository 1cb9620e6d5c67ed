"""Directories that aren't the models that they seem to be: one line says what is wrong, before any training."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.conftest import bert
from tinydistill.errors import InputError
from tinydistill.models.source import find

WEIGHTS, QUERY = "model.safetensors", "encoder.layer.0.attention.self.query.weight"

Damage = Callable[[Path], object]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tokenizer) -> Path:
    directory = tmp_path_factory.mktemp("whole") / "model"
    bert(1, 16).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def config(**changes: Any) -> Damage:
    def write(directory: Path) -> None:
        file = directory / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return write


def content(name: str, text: str | bytes) -> Damage:
    return lambda directory: (directory / name).write_bytes(text if isinstance(text, bytes) else text.encode())


def cut(name: str, length: int) -> Damage:
    return lambda directory: (directory / name).write_bytes((directory / name).read_bytes()[:length])


def vocabulary(change: Callable[[dict[str, int]], object]) -> Damage:
    def write(directory: Path) -> None:
        file = directory / "tokenizer.json"
        parsed = json.loads(file.read_text())
        change(parsed["model"]["vocab"])
        file.write_text(json.dumps(parsed))

    return write


def weights(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Damage:
    def write(directory: Path) -> None:
        tensors = load_file(directory / WEIGHTS)
        save_file(tensors | change(tensors), directory / WEIGHTS, metadata={"format": "pt"})

    return write


def index(text: str) -> Damage:
    def write(directory: Path) -> None:
        (directory / WEIGHTS).unlink()
        (directory / f"{WEIGHTS}.index.json").write_text(text)

    return write


def pipe(name: str) -> Damage:
    def write(directory: Path) -> None:
        (directory / name).unlink()
        os.mkfifo(directory / name)

    return write


EIGHT_BITS = {"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}}
MODELS: dict[str, tuple[Damage, str]] = {
    "strings for sizes": (config(hidden_size="16"), "its config.json can't be used"),
    "nulls for sizes": (config(vocab_size=None), "its config.json can't be used"),
    "no heads": (config(num_attention_heads=0), "with num_attention_heads=0 in its config.json"),
    "a negative width": (config(hidden_size=-16), "with hidden_size=-16 in its config.json: it must lie between 1"),
    "a width without bound": (config(hidden_size=10**9), "with hidden_size=1000000000 in its config.json"),
    "a million layers": (config(num_hidden_layers=10**6), "with num_hidden_layers=1000000 in its config.json"),
    "an unknown activation": (config(hidden_act="nope"), "its weights can't be used (KeyError: 'nope')"),
    "padding that isn't there": (config(pad_token_id=10**6), "its weights can't be used (AssertionError: Padding_idx"),
    "a type that is a list": (config(model_type=["bert"]), "its config.json can't be used"),
    "an unknown type": (config(model_type="nope"), "its config.json can't be used"),
    "labels that are a text": (config(id2label="x"), "its config.json can't be used"),
    "a number for architectures": (config(architectures=5), "with architectures=5 in its config.json"),
    "an unknown kind of number": (config(dtype="nope"), "its config.json can't be used"),
    "chunks of text": (config(chunk_size_feed_forward="x"), "with chunk_size_feed_forward=x in its config.json"),
    "a list": (content("config.json", "[]"), "holds no JSON object but a list"),
    "a null": (content("config.json", "null"), "its config.json holds no JSON object but a NoneType"),
    "deep JSON": (content("config.json", "[" * 10_000), "its config.json is no JSON: it is nested too deep"),
    "10,000 digits": (content("config.json", '{"a":' + "9" * 10_000 + "}"), "its config.json is no JSON: Exceeds"),
    "a config cut short": (cut("config.json", 100), "config.json is no JSON"),
    "a T5": (content("config.json", '{"model_type": "t5"}'), "is a t5 with a decoder: name an encoder"),
    "a BART": (content("config.json", '{"model_type": "bart"}'), "is a bart with a decoder: name an encoder"),
    "a decoder": (config(is_decoder=True), "is a bert with a decoder"),
    "pictures": (content("config.json", '{"model_type": "vit"}'), "is a vit, whose config.json has no vocab_size"),
    "relative positions alone": (content("config.json", '{"model_type": "funnel"}'), "has no max_position_embeddings"),
    "eight bits": (config(**EIGHT_BITS), "whose weights are quantized: name the model that it was made from"),
    "four bits": (config(quantization_config={"quant_method": "gptq", "bits": 4}), "whose weights are quantized"),
    "eight bits unsaid": (weights(lambda of: {QUERY: of[QUERY].to(torch.int8)}), f"{QUERY} is of kind I8"),
    "complex weights": (weights(lambda of: {QUERY: of[QUERY].to(torch.complex64)}), f"{QUERY} is of kind C64"),
    "a wrong shape": (weights(lambda of: {QUERY: of[QUERY][:, :5].clone()}), f"({QUERY} is 16x5, not 16x16)"),
    "a wrong rank": (weights(lambda of: {QUERY: torch.tensor(1.0)}), f"({QUERY} is a number, not 16x16)"),
    "an empty index": (index("{}"), "has no weight_map"),
    "an index cut short": (index("["), "model.safetensors.index.json is no JSON"),
    "weights cut short": (cut(WEIGHTS, 2000), "the weights are damaged or cut short"),
    "a tokenizer cut short": (cut("tokenizer.json", 300), "its tokenizer can't be used (Unterminated string"),
    "an empty tokenizer": (content("tokenizer.json", "{}"), "its tokenizer can't be used"),
    "a list for a tokenizer": (content("tokenizer.json", "[]"), "its tokenizer can't be used"),
    "a null for a tokenizer": (content("tokenizer.json", "null"), "its tokenizer can't be used"),
    "a deep tokenizer": (content("tokenizer.json", "[" * 10_000), "its tokenizer can't be used (RecursionError"),
    "no unknown token": (vocabulary(lambda of: of.pop("[UNK]")), "its tokenizer can't be used"),
    "a negative token": (vocabulary(lambda of: of.update(zz=-1)), "its tokenizer can't be used"),
    "more tokens than embeddings": (
        vocabulary(lambda of: of.update({f"w{number}": 29 + number for number in range(500)})),
        "the tokenizer knows 529 tokens, the model only 29",
    ),
    "a token of a large number": (
        vocabulary(lambda of: of.update(new=5000)),
        "the tokenizer knows 5001 tokens, the model only 29",
    ),
    "a tokenizer without names": (content("tokenizer_config.json", "[]"), "its tokenizer can't be used"),
    "a pipe for weights": (pipe(WEIGHTS), "holds no weights"),
    "a pipe for the config": (pipe("config.json"), "holds no config.json"),
}


@pytest.mark.parametrize("case", MODELS)
def test_a_model_that_is_none_is_one_line_that_names_it(tmp_path: Path, whole: Path, case: str) -> None:
    damage, expected = MODELS[case]
    model = tmp_path / "model"
    shutil.copytree(whole, model)
    damage(model)
    with pytest.raises(InputError) as caught:
        find(str(model), "teacher.path").encoder()
    line = str(caught.value)
    assert expected in line
    assert str(model) in line
    assert "\n" not in line
    assert len(line) < 700


def test_a_whole_model_is_found(whole: Path) -> None:
    assert find(str(whole)).encoder().config.num_hidden_layers == 1


def test_a_path_that_is_too_long_is_no_directory() -> None:
    with pytest.raises(InputError, match="there is no such directory"):
        find("x" * 5000)
