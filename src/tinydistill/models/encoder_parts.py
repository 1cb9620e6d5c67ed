"""Where the parts of an encoder are, by architecture; others are added with `register_encoder_parts`.

Shapes: B batch, L length, D hidden size, H heads, d head size.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tinydistill.errors import InputError

ENTRY_POINTS = "tinydistill.encoder_parts"


@dataclass(frozen=True)
class Embeddings:
    """The tables that are summed, the LayerNorm over their sum, and ELECTRA's projection to the hidden size."""

    word: nn.Embedding
    position: nn.Embedding | None
    token_type: nn.Embedding | None
    norm: nn.LayerNorm
    project: nn.Linear | None = None


@dataclass(frozen=True)
class Layer:
    """The linear maps of a post-norm Transformer layer, and what it computes without dropout."""

    heads: int
    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    attention_out: nn.Linear
    attention_norm: nn.LayerNorm
    ffn_in: nn.Linear
    activation: Callable[[Tensor], Tensor]
    ffn_out: nn.Linear
    ffn_norm: nn.LayerNorm

    def split_heads(self, x_BLD: Tensor) -> Tensor:
        """[B, L, D] → [B, H, L, d]."""
        return x_BLD.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def probabilities(self, x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
        """Attention probabilities [B, H, L, L]; the keys that the mask leaves out get none."""
        query, key = self.split_heads(self.query(x_BLD)), self.split_heads(self.key(x_BLD))
        scores_BHLL = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
        return scores_BHLL.masked_fill(~mask_BL[:, None, None], -torch.inf).softmax(-1)

    def attend(self, x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
        """The state between attention and feed-forward network, [B, L, D]."""
        pooled_BHLd = self.probabilities(x_BLD, mask_BL) @ self.split_heads(self.value(x_BLD))
        return self.attention_norm(x_BLD + self.attention_out(pooled_BHLd.transpose(1, 2).flatten(2)))

    def feed_forward(self, x_BLD: Tensor) -> Tensor:
        """From the state after attention to the layer's output, [B, L, D]."""
        return self.ffn_norm(x_BLD + self.ffn_out(self.activation(self.ffn_in(x_BLD))))


@dataclass(frozen=True)
class EncoderParts:
    """The parts of an encoder.

    Attributes:
        embeddings: what is summed for a token, and what normalizes the sum.
        blocks: the Transformer layers as whole modules.
        layers: the parts of each block, or None where the blocks are no post-norm layers with separate queries, keys
            and values (ModernBERT: fused, rotary, pre-norm); then embeddings alone are solved for in closed form. Where
            layers are given, the encoder must run them by iterating over one `nn.ModuleList`, so that the upper ones
            can be left out where nobody looks at what they compute.
    """

    embeddings: Embeddings
    blocks: list[nn.Module]
    layers: list[Layer] | None


Finder = Callable[[Any], EncoderParts]  # of an encoder without a head

_FINDERS: dict[str, Finder] = {}


def register_encoder_parts(model_type: str, find: Finder) -> None:
    """Says where the parts of an encoder are whose configuration has this `model_type`.

    `find` takes the encoder without a head. A package can do the same with an entry point, which is looked up when a
    model of that type is met:

        [project.entry-points."tinydistill.encoder_parts"]
        my-bert = "my_package:my_bert_parts"
    """
    _FINDERS[model_type] = find


def encoder_parts(model: PreTrainedModel) -> EncoderParts:
    """The parts of an encoder, with or without a head. Raises InputError for an architecture that nobody registered."""
    if (find := _finder(model.config.model_type)) is None:
        raise InputError(
            f"the parts of {model.config.model_type} encoders are not known",
            "take {initialize_student.method}=teacher_layers (equal widths) or {initialize_student.method}=random, "
            "or name its parts with register_encoder_parts",
        )
    return find(model.base_model)


def post_norm_layers(model: PreTrainedModel) -> list[Layer]:
    """The parts of an encoder's layers, bottom first; empty where they aren't known."""
    find = _finder(model.config.model_type)
    return [] if find is None else find(model.base_model).layers or []


def _finder(model_type: str) -> Finder | None:
    if model_type not in _FINDERS:
        for entry in metadata.entry_points(group=ENTRY_POINTS, name=model_type):
            register_encoder_parts(model_type, entry.load())
    return _FINDERS.get(model_type)


def transformer_layers(model: PreTrainedModel) -> nn.ModuleList:
    """The Transformer layers of any encoder that keeps them in one list, for copying them whole.

    Raises InputError where there is no such list (ALBERT shares one layer).
    """
    depth = model.config.num_hidden_layers
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == depth:
            return module
    raise InputError(
        f"{model.config.model_type} encoders keep no list of {depth} layers to copy",
        "take {initialize_student.method}=random",
    )


# the fields of a Layer, in their order
_BERT_LAYER = """attention.self.num_attention_heads attention.self.query attention.self.key attention.self.value
    attention.output.dense attention.output.LayerNorm
    intermediate.dense intermediate.intermediate_act_fn output.dense output.LayerNorm"""
_DISTILBERT_LAYER = """attention.n_heads attention.q_lin attention.k_lin attention.v_lin
    attention.out_lin sa_layer_norm ffn.lin1 ffn.activation ffn.lin2 output_layer_norm"""


def _layers(blocks: list[nn.Module], names: str) -> list[Layer]:
    parts = attrgetter(*names.split())
    return [Layer(*parts(block)) for block in blocks]


def _bert(model: Any) -> EncoderParts:
    tables, blocks = model.embeddings, list(model.encoder.layer)
    summed = tables.word_embeddings, tables.position_embeddings, tables.token_type_embeddings
    embeddings = Embeddings(*summed, tables.LayerNorm, getattr(model, "embeddings_project", None))
    return EncoderParts(embeddings, blocks, _layers(blocks, _BERT_LAYER))


def _distilbert(model: Any) -> EncoderParts:
    tables, blocks = model.embeddings, list(model.transformer.layer)
    embeddings = Embeddings(tables.word_embeddings, tables.position_embeddings, None, tables.LayerNorm)
    return EncoderParts(embeddings, blocks, _layers(blocks, _DISTILBERT_LAYER))


def _modernbert(model: Any) -> EncoderParts:
    embeddings = Embeddings(model.embeddings.tok_embeddings, None, None, model.embeddings.norm)
    return EncoderParts(embeddings, list(model.layers), None)


for _model_type in ("bert", "roberta", "xlm-roberta", "camembert", "electra"):
    register_encoder_parts(_model_type, _bert)
register_encoder_parts("distilbert", _distilbert)
register_encoder_parts("modernbert", _modernbert)
