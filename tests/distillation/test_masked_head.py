"""A masked-LM head that is solved for: better than a random one before the first step."""

import pytest
import torch
from torch.nn import functional as F
from transformers import AutoModelForMaskedLM

from tests.encoders import ENCODERS
from tinydistill.data.masking import IGNORED, Pieces, Rules, generator, mask_pieces
from tinydistill.distillation.masked_head import solve_head
from tinydistill.masked_lm import masked_logits

PIECES = Pieces(mask=4, special=torch.arange(60) < 5)


def sample(seed: int, count: int = 20):
    """Blocks that repeat one piece of seven: what is masked stands on both sides."""
    random = torch.Generator().manual_seed(seed)
    for number in range(count):
        ids = torch.randint(5, 12, (16, 1), generator=random).expand(16, 12).clone()
        yield mask_pieces(ids, PIECES, Rules(0.15), generator(seed, number))


@torch.no_grad()
def loss(model) -> float:
    losses = []
    for batch in sample(1):
        asked = batch.labels != IGNORED
        losses.append(F.cross_entropy(masked_logits(model, {"input_ids": batch.input_ids}, asked), batch.labels[asked]))
    return float(sum(losses) / len(losses))


def new(name):
    torch.manual_seed(0)
    return AutoModelForMaskedLM.from_config(ENCODERS[name]).eval()


@pytest.mark.parametrize("name", ENCODERS)
def test_a_solved_head_beats_a_random_one_and_knows_the_frequencies(name):
    model = new(name)
    before = loss(model)
    assert solve_head(model, sample(0))
    assert loss(model) < before
    if name != "modernbert":  # its dense layer has no bias: the decoder's is all that is solved for
        assert loss(model) < 0.8 * torch.tensor(7.0).log()


def test_an_encoder_is_left_as_it_is():
    model = new("bert")
    before = {name: value.clone() for name, value in model.base_model.state_dict().items()}
    solve_head(model, sample(0))
    for name, value in model.base_model.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_head_of_unknown_form_is_left_alone(monkeypatch):
    monkeypatch.setattr("tinydistill.masked_lm._HEADS", {})
    assert not solve_head(new("bert"), sample(0))
