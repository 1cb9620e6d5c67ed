"""Attention of encoders: the fused kernel, or the fast path where that computes the same in less time.

Shapes: B batch, H heads, L length, d head size.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from tinydistill.models.fast_paths import attention as fast_path

NAME = "tinydistill"


def attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> tuple[Tensor, None]:
    """What transformers asks of an attention: the output [B, L, H, d] for query, key and value [B, H, L, d]."""
    kwargs.pop("output_attentions", None)  # SDPA would warn that it has no maps to give; none are wanted
    if fast_path.fits(module, query, key, **kwargs):
        return fast_path.attend(query, key, value, attention_mask, kwargs.get("scaling")), None
    return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)


def use(model: PreTrainedModel) -> PreTrainedModel:
    """Switches a model to this attention, in place, where its architecture supports it."""
    if modules(model):
        model.set_attn_implementation(NAME)
    return model


@contextmanager
def eager(model: PreTrainedModel) -> Iterator[None]:
    """Switches a model to plain operations, which exporters and FLOP counters see into, and back at the end."""
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def modules(model: PreTrainedModel) -> list[nn.Module]:
    """The self-attention modules of an encoder in order; empty where its architecture doesn't declare them."""
    recorded = (getattr(model, "_can_record_outputs", None) or {}).get("attentions")
    if not (isinstance(recorded, type) and issubclass(recorded, nn.Module)):
        return []
    return [module for module in model.modules() if isinstance(module, recorded)]


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
