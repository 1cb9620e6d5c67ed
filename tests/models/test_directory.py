"""What a model's directory may hold, and what is refused before any of it is read."""

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tinydistill.errors import InputError
from tinydistill.models import loading as models

INDEX = "model.safetensors.index.json"


class Alarm:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, file: Path):
        self.file = file

    def __reduce__(self):
        return (Path.touch, (self.file,))


@pytest.fixture
def directory(teacher_dir, tmp_path) -> Path:
    """A copy of the teacher whose weights are named by an index, beside which and above which lie pickles."""
    copy = shutil.copytree(teacher_dir, tmp_path / "models" / "copy")
    weights = load_file(copy / "model.safetensors")
    (copy / "model.safetensors").rename(copy / "part.safetensors")
    shutil.copy(copy / "part.safetensors", copy.parent / "part.safetensors")
    (copy / "sub").mkdir()
    shutil.copy(copy / "part.safetensors", copy / "sub" / "part.safetensors")
    torch.save(weights, copy / "pytorch_model.bin")
    with (copy / "evil.bin").open("wb") as file:
        pickle.dump(Alarm(tmp_path / "alarm"), file)
    name_parts(copy, "part.safetensors")
    return copy


def name_parts(directory: Path, part: object) -> None:
    names = load_file(directory / "part.safetensors").keys()
    (directory / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": dict.fromkeys(names, part)}))


def change(directory: Path, file: str, **values: object) -> None:
    place = directory / file
    place.write_text(json.dumps(json.loads(place.read_text()) | values))


def test_weights_in_parts_are_loaded(directory, teacher_dir):
    ours, theirs = models.load_encoder(models.locate(str(directory))), models.load_encoder(str(teacher_dir))
    assert all(torch.equal(value, theirs.state_dict()[name]) for name, value in ours.state_dict().items())


@pytest.mark.parametrize(
    "part",
    ["pytorch_model.bin", "evil.bin", "../part.safetensors", "sub/part.safetensors", "./part.safetensors", "ABSOLUTE",
     "..", "", "sub\\part.safetensors", "part.safetensors.bin", None, 1],
)  # fmt: skip
@pytest.mark.parametrize("load", [models.locate, models.load_encoder])
def test_an_index_that_names_anything_but_safetensors_beside_it_is_refused_unread(directory, tmp_path, part, load):
    name_parts(directory, str(tmp_path / "models" / "part.safetensors") if part == "ABSOLUTE" else part)
    with pytest.raises(InputError, match=rf"the model=.*copy: its {INDEX} names '.*', which is no safetensors file in"):
        load(str(directory))
    assert not (tmp_path / "alarm").exists()


@pytest.mark.parametrize("content", ["[]", "{}", '{"weight_map": []}', '{"weight_map": {}}', "{", '"text"', "\xff"])
def test_an_index_that_is_none_is_named(directory, content):
    (directory / INDEX).write_text(content, encoding="latin-1")
    with pytest.raises(InputError, match=rf"its {INDEX} (has no weight_map|is no JSON)"):
        models.locate(str(directory))


def test_a_part_that_is_missing_is_named(directory):
    name_parts(directory, "other.safetensors")
    with pytest.raises(InputError, match=f"lacks other.safetensors, which its {INDEX} names"):
        models.locate(str(directory))


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
@pytest.mark.parametrize("load", [models.locate, models.load_config, models.load_tokenizer, models.load_encoder])
def test_code_that_comes_with_a_model_is_never_run(directory, monkeypatch, file, load):
    (directory / "own.py").write_text(f"from pathlib import Path; Path({str(directory / 'alarm')!r}).touch()")
    change(directory, file, auto_map={"AutoConfig": "own.Config", "AutoModel": "own.Model", "AutoTokenizer": "own.Tok"})
    monkeypatch.setattr("builtins.input", lambda prompt: "y")  # transformers would ask
    with pytest.raises(InputError, match=rf"its {file} names code of its own, which is never run \(auto_map\)"):
        load(str(directory))
    assert not (directory / "alarm").exists()


@pytest.mark.parametrize("name", ["adapter_model.bin", "other.safetensors.index.json", "../part.safetensors"])
def test_a_configuration_names_no_other_weights(directory, name):
    change(directory, "config.json", transformers_weights=name)
    with pytest.raises(
        InputError, match=r"its config.json names other files as its weights, .* \(transformers_weights"
    ):
        models.load_encoder(str(directory))


def test_an_adapter_is_no_way_to_another_model(directory):
    (directory / "adapter_config.json").write_text('{"base_model_name_or_path": "org/other", "peft_type": "LORA"}')
    with pytest.raises(InputError, match="holds an adapter to another model"):
        models.locate(str(directory))


def test_a_pickle_under_the_name_of_safetensors_is_damaged_weights(directory, tmp_path):
    (directory / "evil.bin").rename(directory / "model.safetensors")
    with pytest.raises(InputError, match="the weights are damaged"):
        models.load_encoder(str(directory))
    assert not (tmp_path / "alarm").exists()


def test_weights_with_a_head_of_metadata_alone_are_damaged(directory):
    save_file({}, directory / "model.safetensors")
    with pytest.raises(InputError):
        models.load_encoder(str(directory))
