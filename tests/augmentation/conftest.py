"""A tiny masked LM whose vocabulary has words of several pieces."""

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, BertTokenizerFast

from tests.conftest import SPECIAL, WORDS

PIECES = ["##s", "##ish", "##y", "##er", "'", ".", ",", '"', "b"]


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> BertTokenizerFast:
    file = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    file.write_text("\n".join(SPECIAL + WORDS + PIECES) + "\n")
    return BertTokenizerFast(str(file))


@pytest.fixture(scope="session")
def masked_lm(tokenizer: BertTokenizerFast) -> BertForMaskedLM:
    torch.manual_seed(0)
    sizes = {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 4, "intermediate_size": 32}
    config = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=64, initializer_range=0.3, **sizes)
    return BertForMaskedLM(config).eval()
