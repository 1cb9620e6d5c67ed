"""Masked-LM heads of every architecture: their logits at chosen positions, loading with a head and without."""

import pytest
import torch
from transformers import AutoModel, AutoModelForMaskedLM, BertForPreTraining

from tests.encoders import ENCODERS
from tinydistill.errors import InputError
from tinydistill.models.masked_lm import load_masked_lm, load_or_add_head, masked_logits, start_bias


def masked_lm(config):
    torch.manual_seed(0)
    model = AutoModelForMaskedLM.from_config(config).eval()
    for parameter in model.parameters():  # biases and LayerNorms too: at their start they'd hide what is left out
        torch.nn.init.normal_(parameter, std=0.3)
    return model


@pytest.mark.parametrize("name", ENCODERS)
def test_gathered_logits_are_the_full_models(name):
    model = masked_lm(ENCODERS[name])
    ids = torch.randint(3, 60, (3, 12), generator=torch.Generator().manual_seed(1))
    chosen = torch.rand(3, 12, generator=torch.Generator().manual_seed(2)) < 0.3
    with torch.no_grad():
        gathered = masked_logits(model, {"input_ids": ids}, chosen)
        full = model(input_ids=ids).logits
    torch.testing.assert_close(gathered, full[chosen], rtol=1e-5, atol=1e-5)


def test_training_reaches_the_encoder_through_the_chosen_positions_and_leaves_the_model_whole():
    model = masked_lm(ENCODERS["bert"])
    chosen = torch.eye(2, 8, dtype=torch.bool)
    masked_logits(model, {"input_ids": torch.randint(3, 60, (2, 8))}, chosen).sum().backward()
    assert all(p.grad is not None for name, p in model.named_parameters() if "encoder.layer" in name)
    assert model.base_model is model.bert


@pytest.mark.parametrize("name", ENCODERS)
def test_a_head_that_is_there_is_kept_and_one_that_is_missing_is_new(name, tmp_path):
    model = masked_lm(ENCODERS[name])
    model.save_pretrained(tmp_path / "with")
    AutoModel.from_pretrained(tmp_path / "with").save_pretrained(tmp_path / "without")
    loaded, kept = load_or_add_head(str(tmp_path / "with"), seed=0)
    assert kept
    assert load_masked_lm(str(tmp_path / "with")).state_dict().keys() == model.state_dict().keys()
    for parameter, value in model.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[parameter], value)
    new, kept = load_or_add_head(str(tmp_path / "without"), seed=0)
    again, _ = load_or_add_head(str(tmp_path / "without"), seed=0)
    assert not kept
    for parameter, value in new.state_dict().items():
        torch.testing.assert_close(again.state_dict()[parameter], value)
    with pytest.raises(InputError, match="holds no masked-LM head: make one with pretrain, or name one with path"):
        load_masked_lm(str(tmp_path / "without"))


@pytest.mark.parametrize("name", ENCODERS)
def test_a_new_head_guesses_by_frequency(name, tmp_path):
    model = AutoModelForMaskedLM.from_config(ENCODERS[name]).eval()
    assert start_bias(model, [torch.tensor([[7, 7, 8]]), torch.tensor([[7]])])
    bias = model.get_output_embeddings().bias
    assert bias.exp().sum().item() == pytest.approx(1)
    assert (bias[7] - bias[8]).exp().item() == pytest.approx(3.5 / 1.5)
    model.save_pretrained(tmp_path)
    torch.testing.assert_close(load_masked_lm(str(tmp_path)).get_output_embeddings().bias, bias)


def test_a_model_with_both_heads_of_pre_training_has_a_masked_lm(tmp_path):
    BertForPreTraining(ENCODERS["bert"]).save_pretrained(tmp_path)
    assert load_masked_lm(str(tmp_path)).config.model_type == "bert"
