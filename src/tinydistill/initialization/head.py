"""Solve for a new prediction layer: ridge regression onto the teacher's logits in place of its first epochs.

Shapes: N rows, D hidden size, C outputs of the prediction layer.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tinydistill.initialization import linear_algebra as linear
from tinydistill.initialization.linear_algebra import NormalEquations, RunningCovariance
from tinydistill.models.embedder import SentenceEmbedder, pooled
from tinydistill.models.encoder_parts import transformer_layers
from tinydistill.models.observation import encoder_inputs

HELD_OUT = 4  # one batch in so many is kept for choosing the penalty
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
SPREAD = 1.0  # standard deviation of what the activation is given: it bends, and doesn't saturate
FIRST = 8  # batches that the states' mean and size are taken from


@torch.no_grad()
def solve_head(model: PreTrainedModel, batches: Iterable[Mapping[str, Tensor]], *, per_window: bool = False) -> float:
    """Sets the linear maps of a head, in place, so that its logits, or its embeddings, imitate the teacher's.

    Batches hold `teacher_logits` [B, C] beside what the model takes, or those of every token [B, L, C] and `valid`
    [B, L], true where they count. The first of two maps (BERT's pooler) turns the states by a random rotation and
    scales them to where its activation bends; the last is a ridge regression from there onto the logits, each less its
    mean, with the penalty that does best on every fourth batch.

    Args:
        model: the student with its head.
        batches: rows of the task.
        per_window: whether the mean is of each window's tokens, not of all: where logits are compared within a window
            alone, as those of a span's start, what all of a window have in common says nothing.

    Returns the share of the logits' variance on these batches that is left unexplained, 0 to 1.
    """
    hidden, output = head_maps(model)
    training = model.training
    model.eval()
    batches = iter(batches)
    first = [batch for batch, _ in zip(batches, range(FIRST), strict=False)]
    if hidden is not None:
        _rescale(model, hidden, first)
    fit, held_out, logits = NormalEquations(), NormalEquations(), RunningCovariance()
    for number, (features, targets) in enumerate(_inputs(model, output, chain(first, batches), per_window)):
        (held_out if number % HELD_OUT == HELD_OUT - 1 else fit).update(features.double(), targets.double())
        logits.update(targets)
    held_out = held_out if held_out.count else fit
    strength = linear.best_strength(fit, held_out, STRENGTHS)
    unexplained = held_out.error(linear.ridge(*fit.means(), strength)) / float(logits.covariance.trace())
    weights = linear.ridge(*(fit + held_out).means(), strength)
    output.weight.copy_(weights[:-1].T)
    output.bias.copy_(weights[-1])
    model.train(training)
    return unexplained


def head_maps(model: PreTrainedModel) -> tuple[nn.Linear | None, nn.Linear]:
    """The linear maps above the Transformer layers: hidden size to hidden size, if there is one, and to the outputs.

    Of an embedder the map of its pooled states.
    """
    if isinstance(model, SentenceEmbedder):
        return None, cast(nn.Linear, model.dense[-1])
    modules = list(model.modules())
    last = modules.index(list(transformer_layers(model).modules())[-1])
    maps = [module for module in modules[last + 1 :] if isinstance(module, nn.Linear)]
    return (maps[-2] if len(maps) > 1 else None), maps[-1]


def _rescale(model: PreTrainedModel, hidden: nn.Linear, batches: Iterable[Mapping[str, Tensor]]) -> None:
    states = RunningCovariance()
    for state, _ in _inputs(model, hidden, batches):
        states.update(state)
    size = linear.variance(states.covariance) ** 0.5
    rotation = linear.random_rotation(hidden.in_features, seed=0).to(states.mean.device)
    weight = rotation[: hidden.out_features] * (SPREAD / max(size, 1e-6))
    hidden.weight.copy_(weight)
    if hidden.bias is not None:
        hidden.bias.copy_(-weight @ states.mean)


def _inputs(
    model: PreTrainedModel, module: nn.Linear, batches: Iterable[Mapping[str, Tensor]], per_window: bool = False
) -> Iterator[tuple[Tensor, Tensor]]:
    """What a module of the model is given [N, D], batch by batch, and the teacher's logits [N, C]."""
    with _watched(module) as seen:
        for batch in batches:
            model(**{name: tensor.to(model.device) for name, tensor in encoder_inputs(batch).items()})
            states, logits = seen.pop().float(), batch["teacher_logits"].to(model.device).float()
            if logits.ndim == 3:
                valid_BL = batch["valid"].to(model.device)
                if per_window:
                    means = [pooled(values, valid_BL, "mean").unsqueeze(1) for values in (states, logits)]
                    states, logits = states - means[0], logits - means[1]
                states, logits = states[valid_BL], logits[valid_BL]
            yield states, logits


@contextmanager
def _watched(module: nn.Linear) -> Iterator[list[Tensor]]:
    seen: list[Tensor] = []
    handle = module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        yield seen
    finally:
        handle.remove()
