"""The losses of the original implementation's formulas on fixed weights, and the right values for padded rows."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertModel

from tinydistill.distillation import mapping
from tinydistill.distillation.objective import Objective
from tinydistill.kinds.functional import soft_cross_entropy
from tinydistill.models.observation import Observer, padding_mask

FIXTURES = Path(__file__).parents[1] / "fixtures"
FIGURES = json.loads((FIXTURES / "reference_losses.json").read_text())
TENSORS = load_file(FIXTURES / "reference_losses.safetensors")


def encoder(side: str, layers: int, width: int) -> BertModel:
    config = BertConfig(
        vocab_size=100,
        num_hidden_layers=layers,
        hidden_size=width,
        num_attention_heads=4,
        intermediate_size=2 * width,
        max_position_embeddings=32,
    )
    model = BertModel(config)
    prefix = f"{side}.bert."
    model.load_state_dict({k.removeprefix(prefix): v for k, v in TENSORS.items() if k.startswith(prefix)})
    return model.eval()


@pytest.fixture(params=["full", "padded"])
def case(request):
    """(kind of rows, terms, total, gradient norm) of the paper's objective with one shared projection."""
    student, teacher = encoder("student", 3, 32), encoder("teacher", 6, 48)
    objective = Objective(mapping.uniform(3, 6), projection="shared", scale="raw").bind(student.config, teacher.config)
    objective.set_projection(0, TENSORS["student.fit_dense.weight"], TENSORS["student.fit_dense.bias"])
    batch = {name: TENSORS[name] for name in ("input_ids", "token_type_ids")}
    batch["attention_mask"] = TENSORS[f"{request.param}.attention_mask"]
    with torch.no_grad():
        shown = Observer(teacher, *objective.layers(1))(batch)
    terms = objective(Observer(student, *objective.layers(0))(batch), shown, padding_mask(batch))
    total = objective.total(terms)
    total.backward()
    gradients = [p.grad for p in [*student.parameters(), *objective.parameters()] if p.grad is not None]
    norm = torch.stack([g.norm() for g in gradients]).norm()
    return request.param, {name: value.item() for name, value in terms.items()}, total.item(), norm.item()


def test_states_match_the_reference_figures(case):
    kind, terms, _, _ = case
    ours = [terms["embedding/0"], *(terms[f"hidden/{m}"] for m in (1, 2, 3))]
    assert ours == pytest.approx(FIGURES[kind]["states_valid_tokens"], rel=1e-5)


def test_attention_matches_the_reference_figures(case):
    kind, terms, _, _ = case
    ours = [terms[f"attention/{m}"] for m in (1, 2, 3)]
    assert ours == pytest.approx(FIGURES[kind]["attention_valid_pairs"], rel=1e-5)


def test_total_and_gradient_norm_match_the_original_on_full_rows(case):
    kind, _, total, norm = case
    if kind == "full":
        assert total == pytest.approx(FIGURES[kind]["total"], rel=1e-5)
        assert norm == pytest.approx(FIGURES[kind]["grad_norm"], rel=1e-4)
    else:  # the original counts padding: its total is lower than the right one
        assert total == pytest.approx(
            sum(FIGURES[kind]["attention_valid_pairs"]) + sum(FIGURES[kind]["states_valid_tokens"]), rel=1e-5
        )
        assert total > FIGURES[kind]["total"]


@pytest.mark.parametrize("kind", ["full", "padded"])
@pytest.mark.parametrize("temperature", ["1.0", "2.0", "4.0"])
def test_soft_cross_entropy_is_the_original_times_the_number_of_classes(kind, temperature):
    student, teacher = TENSORS[f"{kind}.student_logits"], TENSORS[f"{kind}.teacher_logits"]
    original = FIGURES[kind]["soft_cross_entropy_mean_over_classes"][temperature]
    ours = soft_cross_entropy(student, teacher, float(temperature))
    assert ours.item() == pytest.approx(original * student.shape[-1], rel=1e-5)
