"""Masked language models: loading one, and its logits at the masked positions alone.

R: masked texts, L: word pieces in each, D: hidden width, V: vocabulary.
"""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForMaskedLM, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from tinydistill import models
from tinydistill.errors import UserError

MEND = "make one with stage=pretrain, or name one with augmentation.model=DIR_OR_HUB_NAME"


def has_masked_lm_head(config: PretrainedConfig) -> bool:
    """Whether a configuration says that it is of a model with a masked-LM head."""
    told = " ".join(config.architectures or ())
    return "MaskedLM" in told or "PreTraining" in told


def load_masked_lm(
    path: str,
    *,
    revision: str | None = None,
    dtype: torch.dtype = torch.float32,
    override: str = "augmentation.model",
) -> PreTrainedModel:
    """An encoder with its masked-LM head, in eval mode. Raises UserError where head or weights are missing."""
    with models.explained(path, override), models.quiet_loading():
        config = models.load_config(path, revision=revision, override=override)
        model, info = models.from_pretrained(AutoModelForMaskedLM, path, config, revision=revision, dtype=dtype)
    missing, prefix = sorted(info["missing_keys"]), f"{model.base_model_prefix}."
    if any(not name.startswith(prefix) for name in missing):
        raise UserError(f"{override}={path} holds no masked-LM head: {MEND}")
    if missing:
        raise UserError(f"{override}={path}: the weights lack {len(missing)} tensors, {missing[0]} among them")
    return model.eval()


class MaskedPositions(nn.Module):
    """A masked LM that computes logits at one position of each text: its head is most of its work on short texts.

    The head is the model itself with its encoder replaced by one that hands on states already computed, so that no
    architecture needs to be known. It is fp32 whatever the encoder is: in bf16 most of the best words would tie.
    """

    def __init__(self, model: PreTrainedModel):
        super().__init__()
        self.encoder = model.base_model
        setattr(model, model.base_model_prefix, _Given())
        self.head = copy.deepcopy(model).float()  # a copy, since it may share weights with the encoder
        setattr(model, model.base_model_prefix, self.encoder)

    def forward(self, inputs: Mapping[str, Tensor], place_R: Tensor) -> Tensor:
        """Logits [R, V] of texts [R, L], at `place_R` of each."""
        states_RLD = self.encoder(**inputs).last_hidden_state
        states_R1D = states_RLD[torch.arange(len(place_R)), place_R].unsqueeze(1)
        return self.head(inputs_embeds=states_R1D.float()).logits[:, 0]


class _Given(nn.Module):
    """Stands for an encoder: gives back the states that it is called with."""

    def forward(self, *_: Any, inputs_embeds: Tensor, **__: Any) -> BaseModelOutput:
        return BaseModelOutput(last_hidden_state=inputs_embeds)
