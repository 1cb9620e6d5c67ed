"""Logits at one position of each text are those that the whole model gives there."""

import pytest
import torch
from transformers import AutoModelForMaskedLM

from tests.encoders import ENCODERS
from tinydistill.augmentation.masked_positions import MaskedPositions


@pytest.mark.parametrize("name", ENCODERS)
def test_logits_at_the_masked_positions_are_those_of_the_whole_model(name):
    torch.manual_seed(0)
    model = AutoModelForMaskedLM.from_config(ENCODERS[name]).eval()
    inputs = {"input_ids": torch.randint(3, 60, (5, 11))}
    places = torch.tensor([1, 4, 10, 0, 7])
    with torch.no_grad():
        whole = model(**inputs).logits[torch.arange(5), places]
        torch.testing.assert_close(MaskedPositions(model)(inputs, places), whole)


def test_the_head_is_fp32_beside_an_encoder_in_bf16():
    model = AutoModelForMaskedLM.from_config(ENCODERS["bert"]).eval().bfloat16()
    masked = MaskedPositions(model)
    with torch.no_grad():
        logits = masked({"input_ids": torch.randint(3, 60, (2, 8))}, torch.tensor([1, 2]))
    assert logits.dtype == torch.float32
    assert {p.dtype for p in masked.encoder.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("name", ENCODERS)
def test_packed_weights_give_the_same_logits(name):
    torch.manual_seed(0)
    masked = MaskedPositions(AutoModelForMaskedLM.from_config(ENCODERS[name]).eval().bfloat16())
    inputs = {"input_ids": torch.randint(3, 60, (5, 11))}
    places = torch.tensor([1, 4, 10, 0, 7])
    with torch.inference_mode():
        before = masked(inputs, places)
        masked.pack()
        torch.testing.assert_close(masked(inputs, places), before, rtol=0.05, atol=0.1)
