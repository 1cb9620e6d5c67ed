"""Encoders with a masked-language-model head: loading one, putting a new one on, and its logits where they are wanted.

B: blocks in a batch, L: length, n: chosen positions, D: hidden size, V: vocabulary.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForMaskedLM, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from tinydistill.errors import InputError
from tinydistill.models.loading import THE_MODEL, load_weights
from tinydistill.models.observation import encoder_inputs

MAKE_A_HEAD = "make one with {stage:pretrain}, or name one with {load_masked_lm.path}"  # advice


class GivenStates(nn.Module):
    """Stands for a model's encoder: gives back the states that it is called with, so that only the head computes.

    That way the head needs no knowledge of architectures.
    """

    def forward(self, *_: Any, inputs_embeds: Tensor, **__: Any) -> BaseModelOutput:
        """The states as they came."""
        return BaseModelOutput(last_hidden_state=inputs_embeds)


def masked_logits(model: PreTrainedModel, batch: Mapping[str, Tensor], chosen_BL: Tensor) -> Tensor:
    """The logits [n, V] at the chosen positions alone: all of a batch's would take L / n times the memory and time."""
    encoder, place = model.base_model, model.base_model_prefix
    states_nD = encoder(**encoder_inputs(batch)).last_hidden_state[chosen_BL]
    setattr(model, place, GivenStates())
    try:
        return model(inputs_embeds=states_nD.unsqueeze(0)).logits.squeeze(0)
    finally:
        setattr(model, place, encoder)


@torch.no_grad()
def start_bias(model: PreTrainedModel, text: Iterable[Tensor]) -> bool:
    """Sets the bias of a new head to the log of the tokens' shares in a text, in place; False where it has no bias.

    A random head then begins near the loss of guessing by frequency, not of guessing blindly.
    """
    bias_V = getattr(model.get_output_embeddings(), "bias", None)
    if bias_V is None:
        return False
    counts_V = torch.full(bias_V.shape, 0.5)  # of what doesn't occur, too
    for ids in text:
        counts_V += torch.bincount(ids.flatten(), minlength=len(counts_V))
    bias_V.copy_((counts_V / counts_V.sum()).log())
    return True


def has_masked_lm_head(config: PretrainedConfig) -> bool:
    """Whether a configuration says that it is of a model with a masked-LM head."""
    told = " ".join(config.architectures or ())
    return "MaskedLM" in told or "PreTraining" in told


def load_masked_lm(
    path: str, *, revision: str | None = None, dtype: torch.dtype = torch.float32, called: str = THE_MODEL
) -> PreTrainedModel:
    """A masked LM with its head, in eval mode. Raises InputError where there is no head, or weights are unreadable."""
    model, missing = load_weights(AutoModelForMaskedLM, path, revision=revision, dtype=dtype, called=called)
    if missing:
        raise InputError(f"{called}={path} holds no masked-LM head", MAKE_A_HEAD)
    return model


def load_or_add_head(
    path: str, *, seed: int, revision: str | None = None, called: str = THE_MODEL
) -> tuple[PreTrainedModel, bool]:
    """A masked LM and whether its head was there; else it is random, the same for the same seed.

    A head that lacks a part is a new one.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model, missing = load_weights(AutoModelForMaskedLM, path, revision=revision, dtype=torch.float32, called=called)
    return model, not missing
