"""Models with a weight that is no finite number are neither loaded nor saved; nor is one that no memory holds made."""

import pytest
import torch
from transformers import AutoModelForMaskedLM, BertConfig

from tests.conftest import bert, sentences
from tinydistill.errors import InputError, RunError
from tinydistill.initialization import closed_form
from tinydistill.initialization.api import initialize_student
from tinydistill.models.finite import not_finite
from tinydistill.models.heads import Head, add_head, load_with_head
from tinydistill.models.loading import load_encoder, save_model
from tinydistill.models.masked_lm import load_masked_lm, load_or_add_head
from tinydistill.models.students import student_config

NAN, INF = float("nan"), float("inf")
KINDS = {
    "encoder": (bert, lambda path: load_encoder(path, called="student.path")),
    "classifier": (
        lambda: add_head(bert(), Head(("no", "yes")), seed=0),
        lambda path: load_with_head(path, Head(("no", "yes")), called="student.path"),
    ),
    "masked LM": (
        lambda: AutoModelForMaskedLM.from_config(bert().config),
        lambda path: load_masked_lm(path, called="student.path"),
    ),
    "encoder of a masked LM": (bert, lambda path: load_or_add_head(path, seed=0, called="student.path")),
}


def spoiled(kind: str, value: float, place: int):
    """A model of a kind with one such value, and the name of the parameter that holds it."""
    model = KINDS[kind][0]()
    name, parameter = list(model.named_parameters())[place]
    with torch.no_grad():
        parameter.view(-1)[-1] = value
    return model, name


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize("place", [0, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_a_model_that_is_not_finite_is_refused_when_it_is_loaded(tmp_path, kind, place, value):
    model, name = spoiled(kind, value, place)
    model.save_pretrained(tmp_path)
    with pytest.raises(InputError) as raised:
        KINDS[kind][1](str(tmp_path))
    line = str(raised.value)
    assert line.startswith(f"student.path={tmp_path}: ")
    assert f"{name} in its weights (model.safetensors) holds values that aren't finite" in line


@pytest.mark.parametrize("value", [NAN, INF])
@pytest.mark.parametrize("kind", ["encoder", "classifier", "masked LM"])
def test_a_model_that_is_not_finite_is_never_saved(tmp_path, tokenizer, kind, value):
    model, name = spoiled(kind, value, -1)
    with pytest.raises(RunError, match=f"nothing is published: {name} of the model holds values that aren't finite"):
        save_model(model, tokenizer, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_whole_numbers_and_what_is_not_there_are_no_matter():
    assert not_finite([("ids", torch.tensor([1])), ("gradient", None), ("empty", torch.zeros(0))]) is None


def test_a_closed_form_of_states_that_are_not_finite_is_refused(tokenizer):
    teacher = bert(4, 32, seed=1)
    with torch.no_grad():
        teacher.embeddings.LayerNorm.weight.fill_(3e38)
    with pytest.raises(InputError, match=r"the teacher's hidden states of layer 0 aren't finite on this text"):
        initialize_student(teacher, 2, 16, num_heads=4, texts=sentences(40), tokenizer=tokenizer)


def test_a_closed_form_without_a_finite_solution_is_no_start(tokenizer, monkeypatch):
    solve = closed_form.solve_feed_forward

    def broken(chunks, layer, *rest):
        solve(chunks, layer, *rest)
        layer.ffn_out.bias.fill_(NAN)

    monkeypatch.setattr(closed_form, "solve_feed_forward", broken)
    with pytest.raises(RunError, match=r"the closed form has no solution: .*bias of the student isn't finite"):
        initialize_student(bert(4, 32, seed=1), 2, 16, num_heads=4, texts=sentences(40), tokenizer=tokenizer)


@pytest.mark.parametrize(
    "size",
    [
        {"num_layers": 2, "hidden_size": 100_000, "intermediate_size": 32},
        {"num_layers": 2, "hidden_size": 16, "intermediate_size": 1_000_000_000},
        {"num_layers": 40, "hidden_size": 40_000, "intermediate_size": 160_000},
    ],
)
def test_a_student_that_no_memory_holds_is_refused_by_its_size(size):
    with pytest.raises(InputError, match=r"a student of [\d,]+ parameters takes [\d,]+ GB to train, this machine has"):
        student_config(BertConfig(), num_heads=4, dropout=0.0, **size)


def test_looking_at_a_students_size_draws_no_random_number():
    before = torch.get_rng_state()
    student_config(BertConfig(), num_layers=2, hidden_size=16, intermediate_size=32, num_heads=4, dropout=0.0)
    assert torch.equal(torch.get_rng_state(), before)
