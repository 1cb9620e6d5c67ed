"""Encoders with a masked-language-model head: loading one, putting a new one on, and its logits where they are wanted.

B: blocks in a batch, L: length, n: chosen positions, D: hidden size, E: embedding size, V: vocabulary.
"""

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoModelForMaskedLM, PreTrainedModel

from tinydistill import models
from tinydistill.distillation.observation import encoder_inputs
from tinydistill.errors import UserError


@dataclass(frozen=True)
class Head:
    """A head in the form that BERT gave it: hidden states [n, D] -> logits [n, V].

    The decoder's weights are the input embeddings [V, E] where the architecture ties them.
    """

    dense: nn.Linear
    activation: Callable[[Tensor], Tensor]
    norm: nn.LayerNorm
    decoder: nn.Linear

    def __call__(self, hidden_nD: Tensor) -> Tensor:
        """The logits [n, V]."""
        return self.decoder(self.norm(self.activation(self.dense(hidden_nD))))


# Where the architectures keep these parts. RoBERTa's activation is a function, not a part.
_HEADS = {
    "bert": ("cls.predictions.transform", "dense", "transform_act_fn", "LayerNorm", "cls.predictions.decoder"),
    "roberta": ("lm_head", "dense", None, "layer_norm", "lm_head.decoder"),
    "electra": ("generator_predictions", "dense", "activation", "LayerNorm", "generator_lm_head"),
    "distilbert": ("", "vocab_transform", "activation", "vocab_layer_norm", "vocab_projector"),
    "modernbert": ("head", "dense", "act", "norm", "decoder"),
}


def head_of(model: PreTrainedModel) -> Head | None:
    """The head of a masked LM; None where it has another form than BERT's."""
    for place, dense, activation, norm, decoder in _HEADS.values():
        try:
            home = attrgetter(place)(model) if place else model
            parts = getattr(home, dense), getattr(home, activation) if activation else F.gelu, getattr(home, norm)
            return Head(*parts, attrgetter(decoder)(model))
        except AttributeError:
            continue
    return None


def masked_logits(model: PreTrainedModel, batch: Mapping[str, Tensor], chosen_BL: Tensor) -> Tensor:
    """The logits [n, V] at the chosen positions alone: all of a batch's would take L / n times the memory and time.

    A head of an unknown form computes all of them first.
    """
    head = head_of(model)
    if head is None:
        return model(**encoder_inputs(batch)).logits[chosen_BL]
    return head(model.base_model(**encoder_inputs(batch)).last_hidden_state[chosen_BL])


@torch.no_grad()
def start_bias(model: PreTrainedModel, text: Iterable[Tensor]) -> bool:
    """Sets the bias of a new head to the log of the pieces' shares in a text, in place; False where it has no bias.

    A random head then begins near the loss of guessing by frequency, not of guessing blindly.
    """
    bias_V = getattr(model.get_output_embeddings(), "bias", None)
    if bias_V is None:
        return False
    counts_V = torch.full(bias_V.shape, 0.5)  # of what doesn't occur, too
    for ids in text:
        counts_V += torch.bincount(ids.flatten(), minlength=len(counts_V))
    bias_V.copy_((counts_V / counts_V.sum()).log())
    return True


def load_masked_lm(
    path: str,
    *,
    revision: str | None = None,
    dtype: torch.dtype = torch.float32,
    override: str = "teacher.path",
) -> PreTrainedModel:
    """A masked LM with its head, in eval mode. Raises UserError where there is no head, or weights are unreadable."""
    model, missing = _load(path, revision=revision, dtype=dtype, override=override)
    if missing:
        raise UserError(f"{override}={path} holds no masked-LM head: make one with stage=pretrain")
    return model


def load_or_add_head(
    path: str, *, revision: str | None = None, seed: int, override: str = "teacher.path"
) -> tuple[PreTrainedModel, bool]:
    """A masked LM and whether its head was there; else it is random, the same for the same seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model, missing = _load(path, revision=revision, dtype=torch.float32, override=override)
    return model, not missing


def _load(path: str, *, revision: str | None, dtype: torch.dtype, override: str) -> tuple[PreTrainedModel, list[str]]:
    """The model, and what its head lacks. A head that lacks a part is a new one."""
    config = copy.deepcopy(models.load_config(path, revision=revision, override=override))
    model, info = models.load_weights(
        AutoModelForMaskedLM, path, config, revision=revision, dtype=dtype, override=override
    )
    prefix = f"{model.base_model_prefix}."
    missing = sorted(info["missing_keys"])
    models.check_complete([name for name in missing if name.startswith(prefix)], path, override)
    return model, missing
