"""Hidden states, queries, keys and values of chosen layers, taken from an encoder's ordinary forward pass.

Shapes: B batch, L length, D hidden size, H heads, d head size. Layers are counted as in the paper: 0 is the embedding
layer's output, n = 1..N the Transformer layers.
"""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel, PreTrainedTokenizerBase
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask
from transformers.utils.output_capturing import maybe_install_capturing_hooks

from tinydistill.errors import InputError
from tinydistill.models import attention
from tinydistill.models.encoder_parts import post_norm_layers, transformer_layers

ENCODER_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
TAP = "tinydistill_tap"
_OBSERVED = "_tinydistill_observed"


class QKV(NamedTuple):
    """One layer's queries, keys and values, each [B, H, L, d], unscaled (after rotary embedding where there is one).

    `window` is the largest distance between a query and a key that the layer attends to; None for full attention.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    window: int | None = None


@dataclass(frozen=True)
class Observation:
    """What one forward pass showed: `hidden[n]` is [B, L, D], `attention[n]` what layer n attends with.

    `logits` are those of a model with a head.
    """

    hidden: dict[int, Tensor]
    attention: dict[int, QKV]
    logits: Tensor | None = None


def _tapped(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> tuple[Tensor, QKV | None]:
    output, _ = attention.attend(module, query, key, value, attention_mask, **kwargs)
    if not getattr(module, _OBSERVED, False):
        return output, None
    sliding = getattr(module, "sliding_window", None)
    # Implementations count the window as "distance < sliding_window".
    return output, QKV(query, key, value, None if sliding is None else sliding - 1)


AttentionInterface.register(TAP, _tapped)
AttentionMaskInterface.register(TAP, sdpa_mask)


class Observer:
    """Runs an encoder, with or without a head, and returns what happens at the given layers.

    Only the attention layers asked for are tapped; all layers, tapped or not, compute the same as without. With
    `whole=False` what lies above the last layer asked for isn't computed, where that is known to change nothing below.
    Raises InputError when attention is asked for and the architecture doesn't let it be seen.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        hidden_layers: Iterable[int],
        attention_layers: Iterable[int] = (),
        *,
        whole: bool = True,
    ):
        self.model = model
        self.hidden_layers = sorted(set(hidden_layers))
        self.attention_layers = sorted(set(attention_layers))
        depth = model.config.num_hidden_layers
        wrong = [n for n in self.hidden_layers if not 0 <= n <= depth]
        wrong += [n for n in self.attention_layers if not 1 <= n <= depth]
        if wrong:
            raise ValueError(f"layers {wrong} are not among the {depth} layers of {type(model).__name__}")
        self._above: slice | None = None
        if not whole and post_norm_layers(model):
            self._above = slice(max(1, *self.hidden_layers, *self.attention_layers), None)
            # In a model's first pass they would come to the layers that aren't cut off, and to no others later.
            maybe_install_capturing_hooks(model.base_model)
        if self.attention_layers:
            self._tap()

    def _tap(self) -> None:
        modules = attention.modules(self.model)
        if len(modules) != self.model.config.num_hidden_layers:
            raise InputError(
                f"the attention of {self.model.config.model_type} encoders can't be observed",
                "distill without the losses that need it, attention and relations, in {Objective.losses} "
                "(the embedding, hidden and prediction losses still work)",
            )
        self.model.set_attn_implementation(TAP)
        for n, module in enumerate(modules, start=1):
            setattr(module, _OBSERVED, n in self.attention_layers)

    @contextmanager
    def _cut(self) -> Iterator[None]:
        if self._above is None:
            yield
            return
        layers = transformer_layers(self.model)
        above = layers[self._above]
        del layers[self._above]
        try:
            yield
        finally:
            layers.extend(above)

    def __call__(self, batch: Mapping[str, Tensor]) -> Observation:
        """Forward pass over what the batch holds for an encoder."""
        with self._cut():
            outputs = self.model(
                **encoder_inputs(batch),
                output_hidden_states=self.hidden_layers or None,
                output_attentions=bool(self.attention_layers),
            )
        hidden = {n: outputs.hidden_states[n] for n in self.hidden_layers}
        tapped = dict(zip(self.attention_layers, outputs.attentions or (), strict=True))
        return Observation(hidden, tapped, output_logits(outputs))


def attention_probabilities(seen: QKV) -> Tensor:
    """The softmax of the scores of a batch's first row, which must have no padding, [H, L, L]; rows sum to 1."""
    query, key = seen.query[0].float(), seen.key[0].float()
    scores_HLL = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    if seen.window is not None:
        place = torch.arange(scores_HLL.shape[-1], device=scores_HLL.device)
        scores_HLL = scores_HLL.masked_fill((place[:, None] - place).abs() > seen.window, -torch.inf)
    return scores_HLL.softmax(-1)


def release(model: PreTrainedModel) -> PreTrainedModel:
    """Takes an observer's taps away."""
    for module in model.modules():
        if hasattr(module, _OBSERVED):
            delattr(module, _OBSERVED)
    return attention.use(model)


def output_logits(output: Any) -> Tensor | None:
    """The logits of what a model with a head returned; those of a span's start and end as two columns.

    None of what a model without a head returned.
    """
    if hasattr(output, "start_logits"):
        return torch.stack([output.start_logits, output.end_logits], -1)
    logits: Tensor | None = getattr(output, "logits", None)
    return logits


def accepted_inputs(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """What the tokenizer makes that the model takes: a DistilBERT with a BERT's tokenizer takes no token types."""
    taken = inspect.signature(model.forward).parameters
    return [name for name in tokenizer_outputs(tokenizer) if name in taken]


def tokenizer_outputs(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """What the tokenizer makes for an encoder; of one that was saved with its model, all that the model takes."""
    return [name for name in ENCODER_INPUTS if name in tokenizer.model_input_names]


def encoder_inputs(batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What an encoder takes of a batch, each [B, L]; labels, row numbers and teacher logits stay behind."""
    return {name: batch[name] for name in ENCODER_INPUTS if name in batch}


def padding_mask(batch: Mapping[str, Tensor]) -> Tensor | None:
    """True where a token is valid, [B, L]; None for all of them, when the batch has no `attention_mask`."""
    mask = batch.get("attention_mask")
    return None if mask is None else mask.bool()


def valid_tokens(batch: Mapping[str, Tensor]) -> Tensor:
    """True where a token is valid, [B, L]."""
    mask = padding_mask(batch)
    return torch.ones_like(batch["input_ids"], dtype=torch.bool) if mask is None else mask
