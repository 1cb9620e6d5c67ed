"""The LightningModule of a masked language model, without a trainer."""

import torch
from transformers import AutoModelForMaskedLM, ModernBertConfig

from tests.encoders import ENCODERS, MODERNBERT
from tinydistill.data.text.masking import IGNORED, MaskingVocabulary, Rules, generator
from tinydistill.training.masked_lm import MaskedLanguageModel, set_dropout

VOCABULARY = MaskingVocabulary(mask=4, special=torch.arange(60) < 5)
RULES = Rules(0.3, masked=0.8, random=0.1)


def module(seed: int = 0) -> MaskedLanguageModel:
    torch.manual_seed(0)
    model = AutoModelForMaskedLM.from_config(ENCODERS["bert"])
    set_dropout(model, 0.0)
    made = MaskedLanguageModel(model, VOCABULARY, RULES, seed=seed)
    made.log = made.log_dict = made.log_training = lambda *args, **kwargs: None
    return made


def test_the_same_batch_number_masks_the_same_and_another_otherwise():
    batch = {"input_ids": torch.randint(5, 60, (4, 16), generator=torch.Generator().manual_seed(0))}
    first, again = module().training_step(batch, 3), module().training_step(batch, 3)
    assert first == again
    assert first != module().training_step(batch, 4)
    assert first != module(seed=1).training_step(batch, 3)


def test_another_epoch_masks_otherwise_and_the_first_as_before_there_were_any(monkeypatch):
    batch = {"input_ids": torch.randint(5, 60, (4, 16), generator=torch.Generator().manual_seed(0))}
    first = module().training_step(batch, 3)
    monkeypatch.setattr(MaskedLanguageModel, "current_epoch", 1)
    assert first != module().training_step(batch, 3)
    assert torch.equal(generator(5, 3, 1).get_state(), generator(5, 3, 1, 0).get_state())


def test_every_parameter_gets_a_gradient_as_ddp_demands():
    made = module()
    made.training_step({"input_ids": torch.randint(5, 60, (4, 16))}, 0).backward()
    assert all(parameter.grad is not None for parameter in made.parameters())


def test_a_held_out_batch_without_a_masked_token_is_passed_over():
    ids = torch.randint(5, 60, (1, 8))
    module().validation_step({"input_ids": ids, "labels": torch.full_like(ids, IGNORED)}, 0)


def test_dropout_is_switched_off_wherever_an_architecture_keeps_it():
    config = ModernBertConfig(**{**MODERNBERT.to_dict(), "attention_dropout": 0.5, "mlp_dropout": 0.5})
    model = AutoModelForMaskedLM.from_config(config).train()
    set_dropout(model, 0.0)
    ids = torch.randint(5, 60, (2, 16))
    assert torch.equal(model(input_ids=ids).logits, model(input_ids=ids).logits)
    assert model.config.attention_dropout == 0.5
