"""Where the parts of an encoder are, by architecture family.

Shapes: B batch, L length, D hidden size, H heads, d head size.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tinydistill.errors import UserError

BERT_LIKE = ("bert", "roberta", "xlm-roberta", "camembert", "electra")


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

    `blocks` are its Transformer layers as whole modules; `layers` are their parts, and None where the layers are no
    post-norm ones with separate queries, keys and values (ModernBERT: fused, rotary, pre-norm).
    """

    embeddings: Embeddings
    blocks: list[nn.Module]
    layers: list[Layer] | None

    @classmethod
    def of(cls, model: PreTrainedModel) -> "EncoderParts":
        """The anatomy of a BERT, RoBERTa, ELECTRA, DistilBERT or ModernBERT without a head.

        Raises UserError for another architecture.
        """
        kind = model.config.model_type
        if kind in BERT_LIKE:
            blocks = list(model.encoder.layer)
            return cls(_bert_embeddings(model), blocks, [_bert_layer(block) for block in blocks])
        if kind == "distilbert":
            table = model.embeddings
            embeddings = Embeddings(table.word_embeddings, table.position_embeddings, None, table.LayerNorm)
            blocks = list(model.transformer.layer)
            return cls(embeddings, blocks, [_distilbert_layer(block) for block in blocks])
        if kind == "modernbert":
            embeddings = Embeddings(model.embeddings.tok_embeddings, None, None, model.embeddings.norm)
            return cls(embeddings, list(model.layers), None)
        raise UserError(
            f"student.init=closed_form doesn't know the parts of {kind}; "
            "take student.init=teacher_layers (equal widths) or student.init=random"
        )


def transformer_layers(model: PreTrainedModel) -> nn.ModuleList:
    """The Transformer layers of any encoder that keeps them in one list, for copying them whole.

    Raises UserError where there is no such list (ALBERT shares one layer).
    """
    depth = model.config.num_hidden_layers
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == depth:
            return module
    raise UserError(f"{model.config.model_type} keeps no list of {depth} layers to copy; take student.init=random")


def _bert_embeddings(model: PreTrainedModel) -> Embeddings:
    table = model.embeddings
    return Embeddings(
        table.word_embeddings,
        table.position_embeddings,
        table.token_type_embeddings,
        table.LayerNorm,
        getattr(model, "embeddings_project", None),
    )


def _bert_layer(block: Any) -> Layer:
    attention, output = block.attention, block.output
    return Layer(
        attention.self.num_attention_heads,
        attention.self.query,
        attention.self.key,
        attention.self.value,
        attention.output.dense,
        attention.output.LayerNorm,
        block.intermediate.dense,
        block.intermediate.intermediate_act_fn,
        output.dense,
        output.LayerNorm,
    )


def _distilbert_layer(block: Any) -> Layer:
    attention, ffn = block.attention, block.ffn
    return Layer(
        attention.n_heads,
        attention.q_lin,
        attention.k_lin,
        attention.v_lin,
        attention.out_lin,
        block.sa_layer_norm,
        ffn.lin1,
        ffn.activation,
        ffn.lin2,
        block.output_layer_norm,
    )
