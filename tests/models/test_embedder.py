"""Sentence embedders: pooled and mapped as sentence-transformers does it, and directories that both load."""

import json

import pytest
import torch
from safetensors.torch import save_file

from tests.conftest import bert, sentences
from tests.embedders import embed, embedder, write_embedder
from tinydistill.errors import InputError
from tinydistill.models.embedder import EmbedderHead, SentenceEmbedder, load_embedder, modules_of, pooled
from tinydistill.models.heads import add_head, load_with_head
from tinydistill.models.loading import identity
from tinydistill.models.sentence_modules import ACTIVATIONS, Dense

TEXTS = [*sentences(5), "cat", "the dog sat"]


def test_pooling_is_over_valid_tokens():
    states, mask = torch.randn(2, 4, 3), torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    for mode, of_rows in {
        "mean": [states[0].mean(0), states[1, :2].mean(0)],
        "max": [states[0].amax(0), states[1, :2].amax(0)],
        "cls": [states[0, 0], states[1, 0]],
    }.items():
        torch.testing.assert_close(pooled(states, mask, mode), torch.stack(of_rows))
        torch.testing.assert_close(pooled(states, None, mode)[0], of_rows[0])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"pooling": "cls", "normalize": False},
        {"pooling": "max", "dense": [Dense(32, 48)]},
        {"dense": [Dense(32, 24, bias=False, activation="tanh"), Dense(24, 8)]},
    ],
    ids=["mean", "cls", "max and a map", "two maps"],
)
def test_sentence_transformers_loads_the_directory_and_embeds_alike(options, tokenizer, tmp_path):
    from sentence_transformers import SentenceTransformer

    model = embedder(**options)
    directory = write_embedder(tmp_path / "model", tokenizer, **options)
    theirs = SentenceTransformer(str(directory), device="cpu")
    assert theirs.max_seq_length == 32
    ours = embed(model, tokenizer, TEXTS)
    torch.testing.assert_close(theirs.encode(TEXTS, convert_to_tensor=True), ours, atol=1e-5, rtol=0)
    torch.testing.assert_close(embed(load_embedder(str(directory)), tokenizer, TEXTS), ours)
    assert not list(directory.rglob("*.bin"))


def test_what_sentence_transformers_saves_is_read(tokenizer, tmp_path):
    from sentence_transformers import SentenceTransformer

    directory = write_embedder(tmp_path / "model", tokenizer, dense=[Dense(32, 8, activation="tanh")], pooling="cls")
    SentenceTransformer(str(directory), device="cpu").save(str(tmp_path / "saved"))
    ours, saved = (load_embedder(str(tmp_path / name)) for name in ("model", "saved"))
    assert saved.sentence_modules.pooling == "cls"
    torch.testing.assert_close(embed(saved, tokenizer, TEXTS), embed(ours, tokenizer, TEXTS))


def test_a_student_is_pooled_as_its_teacher_and_has_a_map_to_its_width(tokenizer, tmp_path):
    path = str(write_embedder(tmp_path / "teacher", tokenizer, pooling="cls", dense=[Dense(32, 24, activation="gelu")]))
    head = EmbedderHead().like(path, None, max_length=16)
    student = add_head(bert(2, 16), head, seed=0)
    assert str(student.sentence_modules) == "cls pooling, 16 to 24 identity, normalized"
    assert student.sentence_modules.max_length == 16
    assert embed(student, tokenizer, TEXTS).shape == (len(TEXTS), 24)
    again = add_head(bert(2, 16), head, seed=0)
    torch.testing.assert_close(embed(student, tokenizer, TEXTS), embed(again, tokenizer, TEXTS))
    head.check(student.config, path)
    other = write_embedder(tmp_path / "other", tokenizer)
    with pytest.raises(InputError, match="has embeddings of 32 numbers, the teacher's have 24"):
        head.check(student.config, str(other))


def test_the_identity_tells_maps_apart(tokenizer, tmp_path):
    directories = [write_embedder(tmp_path / name, tokenizer, dense=[Dense(32, 8)]) for name in ("one", "two")]
    assert len({identity(str(directory)) for directory in directories}) == 1
    save_file({"linear.weight": torch.ones(8, 32), "linear.bias": torch.ones(8)},
              directories[1] / "2_Dense" / "model.safetensors")  # fmt: skip
    assert len({identity(str(directory)) for directory in directories}) == 2


def test_a_pooler_is_not_trained_but_kept(tokenizer, tmp_path):
    model = embedder()
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    assert frozen == ["encoder.pooler.dense.weight", "encoder.pooler.dense.bias"]
    model.save_pretrained(tmp_path)
    assert (load_embedder(str(tmp_path)).encoder.pooler.dense.weight == model.encoder.pooler.dense.weight).all()


# what can't be used


def changed(directory, place, change):
    file = directory / place
    content = json.loads(file.read_text())
    file.write_text(json.dumps(change(content)))
    return str(directory)


def complaint(path: str) -> str:
    with pytest.raises(InputError) as error:
        load_with_head(path, EmbedderHead(), called="teacher.path")
    return str(error.value)


@pytest.fixture
def directory(tokenizer, tmp_path):
    return write_embedder(tmp_path / "model", tokenizer, dense=[Dense(32, 8)])


@pytest.mark.parametrize(
    ("place", "change", "said"),
    [
        ("modules.json", lambda m: [*m, {"path": "4_CNN", "type": "x.models.CNN"}], "has a module CNN, which isn't"),
        ("modules.json", lambda m: [m[0], *m[2:]], "has its modules in the order Transformer, Dense, Normalize"),
        ("modules.json", lambda m: {}, "its modules.json is no list of modules"),
        ("modules.json", lambda m: [m[0], {**m[1], "path": "../1_Pooling"}], "the directory '../1_Pooling', which"),
        ("1_Pooling/config.json", lambda c: {"pooling_mode": "lasttoken"}, "pools by lasttoken, which isn't supported"),
        (
            "1_Pooling/config.json",
            lambda c: {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True},
            "pools by cls and mean, which isn't supported",
        ),
        ("2_Dense/config.json", lambda c: {**c, "activation_function": "my.Own"}, "has a Dense with my.Own, which"),
        ("2_Dense/config.json", lambda c: {**c, "use_residual": True}, "has a Dense with more than a map"),
        ("2_Dense/config.json", lambda c: {**c, "in_features": 31}, "a Dense takes 31 numbers where there are 32"),
        ("2_Dense/config.json", lambda c: {**c, "out_features": 9}, "2_Dense/model.safetensors isn't what its config"),
        ("2_Dense/config.json", lambda c: {}, "2_Dense/config.json doesn't say its in_features"),
        ("sentence_bert_config.json", lambda c: {"do_lower_case": True}, "puts texts into lower case before"),
        (
            "config_sentence_transformers.json",
            lambda c: {"default_prompt_name": "query"},
            "puts the prompt 'query' before every text",
        ),
    ],
)
def test_what_is_not_supported_is_one_clear_line(directory, place, change, said):
    found = complaint(changed(directory, place, change))
    assert f"teacher.path={directory}" in found
    assert said in found
    assert "\n" not in found


def test_a_directory_without_modules_or_weights_of_a_map_is_refused(directory, teacher_dir):
    assert "is no sentence embedder: it has no modules.json" in complaint(str(teacher_dir))
    (directory / "2_Dense" / "model.safetensors").unlink()
    assert "lacks 2_Dense/model.safetensors; a pickle (pytorch_model.bin) is never loaded" in complaint(str(directory))


def test_weights_of_a_map_that_are_not_finite_are_refused(directory):
    tensors = {"linear.weight": torch.full((8, 32), torch.nan), "linear.bias": torch.zeros(8)}
    save_file(tensors, directory / "2_Dense" / "model.safetensors")
    assert "weight in 2_Dense/model.safetensors holds values that aren't finite" in complaint(str(directory))


def test_activations_are_those_that_sentence_transformers_writes():
    from sentence_transformers.util import fullname

    known = {"identity": torch.nn.Identity, "tanh": torch.nn.Tanh, "relu": torch.nn.ReLU, "gelu": torch.nn.GELU}
    assert {fullname(known[name]()): name for name in known} == ACTIVATIONS


def test_the_embedded_teacher_is_pooled_by_its_mean():
    teacher = pytest.importorskip("tinydistill.models.loading").locate("sentence-transformers/all-MiniLM-L6-v2")
    if teacher.startswith("sentence-transformers"):
        pytest.skip("the package of the teacher isn't installed")
    assert str(modules_of(teacher)) == "mean pooling, normalized"
    assert isinstance(load_embedder(teacher), SentenceEmbedder)
