"""The parts of a new architecture: of the encoder in tests/initialization/test_new_architecture.py."""

from torch.nn import functional as F

from tinydistill import register_encoder_parts
from tinydistill.models.encoder_parts import Embeddings, EncoderParts, Layer


def acorn_layer(block):
    attention = {"query": block.ask, "key": block.offer, "value": block.carry, "attention_out": block.mix}
    feed_forward = {"ffn_in": block.widen, "activation": F.gelu, "ffn_out": block.narrow}
    norms = {"attention_norm": block.first_norm, "ffn_norm": block.second_norm}
    return Layer(heads=block.heads, **attention, **feed_forward, **norms)


def acorn_parts(model):
    """Where they are in an encoder without a head."""
    embeddings = Embeddings(word=model.words, position=None, token_type=None, norm=model.norm)
    return EncoderParts(embeddings, blocks=list(model.twigs), layers=[acorn_layer(block) for block in model.twigs])


register_encoder_parts("acorn", acorn_parts)
