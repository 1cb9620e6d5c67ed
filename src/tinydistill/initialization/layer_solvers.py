"""Solve for one Transformer layer of a student: attention scores, values and outputs, feed-forward network.

Shapes: B batch, L length, N tokens, D hidden size, H heads, d head size, K candidate neurons. Suffixes _S and _T:
student, teacher. Teacher layers n are counted from 1; 0 is the embedding layer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from tinydistill.initialization import linear_algebra as linear
from tinydistill.initialization.linear_algebra import NormalEquations
from tinydistill.models.encoder_parts import Layer

Batch = Mapping[str, Tensor]

SLIGHT = 1e-4  # penalty where a few hundred features meet many tokens: queries, keys, projections
CHOOSING = 1e-3  # penalty while neurons are chosen
EVERY = 2  # values and neurons are fitted on every second token: neighbors say much the same, sentences don't
CANDIDATES = 2  # candidate neurons for each neuron of the student


@dataclass
class Chunk:
    """Some rows of text: what the teacher's layers make of them and, updated layer by layer, what the student does."""

    batch: Batch
    mask_BL: Tensor  # noqa: N815
    held_out: bool
    teacher: dict[int, Tensor]  # [B, L, D_T] by layer, in bfloat16
    student_BLD: Tensor  # noqa: N815

    def target(self, n: int, basis_TS: Tensor) -> Tensor:
        """Teacher states of layer n in the student's basis, standardized as its LayerNorm does, [B, L, D_S]."""
        return F.layer_norm(self.teacher[n].float() @ basis_TS, basis_TS.shape[1:])


def solve_scores(chunks: Sequence[Chunk], layer: Layer, layer_T: Layer, n: int) -> None:
    """Queries and keys of a student layer from teacher layer n's, head by head: regression, then the best low rank."""
    normal = NormalEquations()
    for c in chunks:
        h = c.teacher[n - 1][c.mask_BL].float()
        scored = torch.cat([layer_T.query(h), layer_T.key(h)], dim=1)
        normal.update(c.student_BLD[c.mask_BL].double(), scored.double())
    gram, cross = normal.means()
    maps = linear.ridge(gram, cross, SLIGHT).chunk(2 * layer.heads, dim=1)
    fitted = [w.T @ gram @ w for w in maps]
    rank, rank_T = layer.query.out_features // layer.heads, maps[0].shape[1]
    scale = (rank / rank_T) ** 0.25  # scores are divided by √d, each model by its own
    for q in range(layer.heads):
        k = q + layer.heads
        reduced = linear.low_rank_scores(fitted[q], fitted[k], rank)
        rows = slice(q * rank, (q + 1) * rank)
        for part, weights, reduce in zip((layer.query, layer.key), (maps[q], maps[k]), reduced, strict=True):
            _set_rows(part, weights @ reduce * scale, rows)


def solve_values(chunks: Sequence[Chunk], layer: Layer, n: int, basis_TS: Tensor, root: tuple[Tensor, Tensor]) -> None:
    """Values and attention outputs: what the residual lacks of the target, regressed on what each head attends to.

    `root` is that of the metric of errors, and its inverse, [D_S, D_S] each.
    """
    fit, held_out = NormalEquations(), NormalEquations()
    for c in chunks:
        x = c.student_BLD
        pooled_BHLD = layer.probabilities(x, c.mask_BL)[:, :, ::EVERY] @ x[:, None]
        lacking_BLD = (c.target(n, basis_TS) - x)[:, ::EVERY]
        mask = c.mask_BL[:, ::EVERY]
        (held_out if c.held_out else fit).update(pooled_BHLD.transpose(1, 2).flatten(2)[mask], lacking_BLD[mask])
    strength = linear.best_strength(fit, held_out)
    rank = layer.value.out_features // layer.heads
    gram, cross = (fit + held_out).means()
    value, output, bias = linear.head_maps(gram, cross @ root[0], layer.heads, rank, strength)
    output, bias = output @ root[1], bias @ root[1]
    layer.value.weight.copy_(value.transpose(1, 2).flatten(0, 1))
    layer.value.bias.zero_()
    layer.attention_out.weight.copy_(output.flatten(0, 1).T)
    layer.attention_out.bias.copy_(bias)


def solve_feed_forward(
    chunks: Sequence[Chunk], layer: Layer, layers_T: Sequence[Layer], span: range, basis_TS: Tensor, root: Tensor
) -> None:
    """Neurons of the teacher layers in `span` (0-based), read from the student's states, the most useful ones kept.

    Their outputs are a ridge regression of what the residual lacks of the last of these layers' states; `root` is that
    of the metric of its errors, [D_S, D_S]. Moves the chunks on to this layer's output.
    """
    for c in chunks:
        c.student_BLD = layer.attend(c.student_BLD, c.mask_BL)
    reading = NormalEquations()
    for c in chunks:
        states = [layers_T[i].attend(c.teacher[i].float(), c.mask_BL)[c.mask_BL] for i in span]
        reading.update(c.student_BLD[c.mask_BL], torch.cat(states, dim=1))
    inputs = linear.ridge(*reading.means(), SLIGHT).float().chunk(len(span), dim=1)
    neurons = torch.cat([_neurons(layers_T[i], read) for i, read in zip(span, inputs, strict=True)], dim=1)
    weight_of = torch.cat([(layers_T[i].ffn_out.weight.float().T @ basis_TS).norm(dim=1) for i in span])
    count = layer.ffn_in.out_features
    neurons = neurons[:, weight_of.topk(min(len(weight_of), CANDIDATES * count)).indices]  # [D_S+1, K]

    fit, held_out = NormalEquations(), NormalEquations()
    for c in chunks:
        mask = c.mask_BL[:, ::EVERY]
        x = c.student_BLD[:, ::EVERY][mask]
        lacking = c.target(span[-1] + 1, basis_TS)[:, ::EVERY][mask] - x
        (held_out if c.held_out else fit).update(layer.activation(x @ neurons[:-1] + neurons[-1]), lacking)
    both = fit + held_out
    gram, cross = both.means()
    kept = linear.most_useful(gram, cross @ root, min(count, neurons.shape[1]), CHOOSING)
    fit, held_out, both = (normal.of(kept) for normal in (fit, held_out, both))
    outputs = linear.ridge(*both.means(), linear.best_strength(fit, held_out))
    rows = slice(0, len(kept))  # where the teacher has fewer neurons than the student, the rest say nothing yet
    _set_rows(layer.ffn_in, neurons[:, kept], rows)
    layer.ffn_out.weight.zero_()
    layer.ffn_out.weight[:, rows] = outputs[:-1].T.float()
    layer.ffn_out.bias.copy_(outputs[-1])
    for c in chunks:
        c.student_BLD = layer.feed_forward(c.student_BLD)


def _neurons(layer_T: Layer, read: Tensor) -> Tensor:
    """The teacher layer's first feed-forward map on what `read` [D_S+1, D_T] makes of a student's state: [D_S+1, K]."""
    neurons = read @ layer_T.ffn_in.weight.float().T
    neurons[-1] += layer_T.ffn_in.bias.float()
    return neurons


def _set_rows(part: torch.nn.Linear, weights: Tensor, rows: slice) -> None:
    """Gives some output rows of a linear map the weights [D+1, rows], the bias last."""
    part.weight[rows] = weights[:-1].T.to(part.weight.dtype)
    part.bias[rows] = weights[-1].to(part.bias.dtype)
