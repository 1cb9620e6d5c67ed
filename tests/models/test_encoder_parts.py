import pytest
import torch
from torch import nn
from transformers import AlbertConfig, DebertaV2Config, PreTrainedModel

from tests.encoders import MODERNBERT, POST_NORM, SIZES, encoder
from tinydistill.errors import InputError
from tinydistill.models.encoder_parts import encoder_parts, transformer_layers


@pytest.fixture(params=POST_NORM)
def model(request) -> PreTrainedModel:
    return encoder(POST_NORM[request.param])


@torch.no_grad()
def test_the_parts_compute_what_the_model_computes(model):
    mask = torch.ones(2, 10, dtype=torch.bool)
    mask[1, 6:] = False
    input_ids = torch.randint(5, 60, (2, 10))
    states = model(input_ids, attention_mask=mask.long(), output_hidden_states=True).hidden_states
    for n, layer in enumerate(encoder_parts(model).layers):
        computed = layer.feed_forward(layer.attend(states[n], mask))
        torch.testing.assert_close(computed[mask], states[n + 1][mask], atol=1e-5, rtol=1e-4)


def test_every_part_of_a_layer_belongs_to_its_block(model):
    parts = encoder_parts(model)
    for block, layer in zip(parts.blocks, parts.layers, strict=True):
        linears = [m for m in block.modules() if isinstance(m, nn.Linear)]
        parts = [layer.query, layer.key, layer.value, layer.attention_out, layer.ffn_in, layer.ffn_out]
        assert {id(m) for m in linears} == {id(m) for m in parts}


def test_the_word_table_is_the_input_embedding(model):
    assert encoder_parts(model).embeddings.word is model.get_input_embeddings()


def test_embeddings_have_the_tables_of_their_family():
    bert, distilbert = (encoder_parts(encoder(POST_NORM[kind])).embeddings for kind in ("bert", "distilbert"))
    assert bert.position is not None
    assert bert.token_type is not None
    assert bert.project is None
    assert distilbert.token_type is None
    assert encoder_parts(encoder(POST_NORM["electra"])).embeddings.project.weight.shape == (32, 16)


def test_modernbert_has_blocks_and_a_word_table_but_no_separate_parts():
    model = encoder(MODERNBERT)
    parts = encoder_parts(model)
    assert parts.layers is None
    assert len(parts.blocks) == 3
    assert parts.embeddings.word is model.get_input_embeddings()
    assert parts.embeddings.position is None


def test_an_unknown_architecture_is_told_which_methods_work():
    with pytest.raises(InputError, match=r"method=teacher_layers .* or method=random, or name its parts with register"):
        encoder_parts(encoder(AlbertConfig(**SIZES, embedding_size=16)))


@pytest.mark.parametrize("config", [*POST_NORM.values(), MODERNBERT, DebertaV2Config(**SIZES)])
def test_whole_layers_are_found_in_any_encoder_that_lists_them(config):
    assert len(transformer_layers(encoder(config))) == 3


def test_a_shared_layer_cannot_be_copied():
    with pytest.raises(InputError, match="take method=random"):
        transformer_layers(encoder(AlbertConfig(**SIZES, embedding_size=16)))
