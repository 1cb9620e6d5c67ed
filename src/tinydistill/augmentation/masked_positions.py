"""A masked LM's logits at one position of each text, with nothing computed that only the others need.

R: masked texts, L: tokens in each, D: hidden width, H: heads, d: head size, V: vocabulary.
"""

import copy
from collections.abc import Mapping
from dataclasses import fields, replace

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tinydistill.models.encoder_parts import Layer, post_norm_layers, transformer_layers
from tinydistill.models.fast_paths import cpu_kernels as kernels
from tinydistill.models.masked_lm import GivenStates


class MaskedPositions(nn.Module):
    """A masked LM taken apart, to compute logits at one position of each text and nothing that only others need.

    The last layer, where its parts are known, works at that position alone. The head is the model itself with its
    encoder replaced by one that hands on states already computed, so that it needs no knowledge of architectures; it is
    fp32 whatever the encoder is, since in bf16 many of the best words would tie.
    """

    def __init__(self, model: PreTrainedModel):
        super().__init__()
        self.encoder = model.base_model
        setattr(model, model.base_model_prefix, GivenStates())
        self.head = copy.deepcopy(model).float()  # a copy: it may share weights with the encoder
        self.last: Layer | None = None
        if layers := post_norm_layers(self.encoder):
            self.last = layers[-1]
            self._last_block = transformer_layers(self.encoder).pop(-1)  # held, so that it moves with the module

    def pack(self) -> None:
        """Lays bf16 weights and the head's out as a processor's matrix products read them, once and not every time."""
        kernels.pack(self.encoder.requires_grad_(False))
        kernels.pack(self.head.requires_grad_(False), torch.float32)
        if self.last is not None:
            self._last_block.requires_grad_(False)
            parts = {part.name: kernels.packed(getattr(self.last, part.name)) for part in fields(self.last)}
            self.last = replace(self.last, **parts)

    def forward(self, inputs: Mapping[str, Tensor], place_R: Tensor) -> Tensor:
        """Logits [R, V] of texts [R, L], at `place_R` of each."""
        states_RLD = self.encoder(**inputs).last_hidden_state
        own_R1D = states_RLD[torch.arange(len(place_R), device=place_R.device), place_R].unsqueeze(1)
        if self.last is not None:
            own_R1D = _layer_at(self.last, own_R1D, states_RLD)
        return self.head(inputs_embeds=own_R1D.float()).logits[:, 0]


def _layer_at(layer: Layer, own_R1D: Tensor, states_RLD: Tensor) -> Tensor:
    """What a layer computes for one state of each text, which looks at all states [R, L, D].

    Keys and values of all positions aren't needed for that: the query is taken through the key's weights instead,
    q · (W_k x) = (q W_k) · x, where the key's bias adds the same to all scores; and the states are pooled before the
    value's weights, which are linear, too.
    """
    weight_k_HdD, weight_v_HdD = (linear.weight.unflatten(0, (layer.heads, -1)) for linear in (layer.key, layer.value))
    query_RHd = layer.split_heads(layer.query(own_R1D))[:, :, 0]
    query_RHD = torch.einsum("rhk,hkd->rhd", query_RHd * query_RHd.shape[-1] ** -0.5, weight_k_HdD)
    pooled_RHD = (query_RHD @ states_RLD.transpose(1, 2)).softmax(-1) @ states_RLD
    values_RHd = torch.einsum("rhd,hkd->rhk", pooled_RHD, weight_v_HdD)
    pooled_R1D = values_RHd.flatten(1).unsqueeze(1) + layer.value.bias
    return layer.feed_forward(layer.attention_norm(own_R1D + layer.attention_out(pooled_R1D)))
