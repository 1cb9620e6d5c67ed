import pytest
import torch
from transformers import AlbertConfig, AutoModel

from tests.conftest import bert
from tinydistill.errors import InputError
from tinydistill.initialization.start import copy_layers


def test_student_layers_are_copies_of_the_mapped_teacher_layers():
    student, teacher = bert(2, 16), bert(4, 16, seed=1)
    copy_layers(student, teacher, (1, 4))
    ours, theirs = student.state_dict(), teacher.state_dict()
    for m, n in ((0, 0), (1, 3)):
        for part in ("attention.self.query.weight", "output.dense.bias", "output.LayerNorm.weight"):
            assert torch.equal(ours[f"encoder.layer.{m}.{part}"], theirs[f"encoder.layer.{n}.{part}"])
    for name in ("embeddings.word_embeddings.weight", "embeddings.LayerNorm.bias", "pooler.dense.weight"):
        assert torch.equal(ours[name], theirs[name])


def test_a_student_with_every_teacher_layer_is_the_teacher():
    student, teacher = bert(3, 16), bert(3, 16, seed=1)
    copy_layers(student, teacher, (1, 2, 3))
    ids = torch.randint(5, 20, (2, 8))
    assert torch.equal(student(ids).last_hidden_state, teacher(ids).last_hidden_state)


def test_an_unmapped_layer_takes_one_between_its_neighbors():
    student, teacher = bert(2, 16), bert(4, 16, seed=1)
    copy_layers(student, teacher, (None, 4))
    name = "attention.self.key.weight"
    assert torch.equal(student.state_dict()[f"encoder.layer.0.{name}"], teacher.state_dict()[f"encoder.layer.1.{name}"])


def test_unequal_widths_are_refused():
    with pytest.raises(InputError, match="in the student"):
        copy_layers(bert(2, 16), bert(4, 32), (2, 4))


def test_an_architecture_that_shares_one_layer_has_none_to_copy():
    config = AlbertConfig(
        vocab_size=30,
        hidden_size=16,
        embedding_size=8,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=32,
    )
    with pytest.raises(InputError, match="keep no list of 3 layers to copy: take method=random"):
        copy_layers(AutoModel.from_config(config), AutoModel.from_config(config), (1, 2, 3))
