"""Tiny random encoders of every architecture that can be observed."""

import copy

import torch
from transformers import (
    AutoModel,
    BertConfig,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    PretrainedConfig,
    PreTrainedModel,
    RobertaConfig,
)

SIZES = {
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "initializer_range": 0.2,
}
SPECIAL = {"bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}
POST_NORM = {
    "bert": BertConfig(**SIZES),
    "roberta": RobertaConfig(**SIZES),
    "electra": ElectraConfig(**SIZES, embedding_size=16),
    "distilbert": DistilBertConfig(
        vocab_size=60, dim=32, n_layers=3, n_heads=4, hidden_dim=64, max_position_embeddings=64, initializer_range=0.2
    ),
}
MODERNBERT = ModernBertConfig(**SIZES, **SPECIAL, local_attention=8)
ENCODERS = {**POST_NORM, "modernbert": MODERNBERT}


def encoder(config: PretrainedConfig) -> PreTrainedModel:
    """The same random weights every time, in eval mode."""
    torch.manual_seed(0)
    return AutoModel.from_config(copy.deepcopy(config)).eval()  # a model changes its configuration
