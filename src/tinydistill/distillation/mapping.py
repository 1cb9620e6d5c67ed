"""The layer mapping n = g(m): which teacher layer each student layer learns from (TinyBERT, section 3.1).

A mapping is a tuple: entry m − 1 is the teacher layer, counted from 1, of student layer m, or None where a student
layer learns from no layer. Embeddings (0 → 0) and the prediction layer (M+1 → N+1) are paired and not listed.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from tinydistill.errors import InputError
from tinydistill.models.observation import Observer

Mapping = tuple[int | None, ...]
Batch = dict[str, Tensor]


def uniform(student_layers: int, teacher_layers: int) -> Mapping:
    """g(m) = m·N/M, rounded where M doesn't divide N: evenly spread, and the last layer learns from the last."""
    return tuple(max(1, round(m * teacher_layers / student_layers)) for m in range(1, student_layers + 1))


def top(student_layers: int, teacher_layers: int) -> Mapping:
    """g(m) = m + N − M: the teacher's last layers."""
    return tuple(m + teacher_layers - student_layers for m in range(1, student_layers + 1))


def bottom(student_layers: int, _teacher_layers: int) -> Mapping:
    """g(m) = m: the teacher's first layers."""
    return tuple(range(1, student_layers + 1))


def last(student_layers: int, teacher_layers: int) -> Mapping:
    """Only the last student layer learns, from the teacher's last (as MiniLM does)."""
    return (*[None] * (student_layers - 1), teacher_layers)


def listed(_student_layers: int, _teacher_layers: int, *, layers: Sequence[int | None]) -> Mapping:
    """The layers that are named, one for each student layer."""
    return tuple(layers)


def auto(student_layers: int, _teacher_layers: int, *, similarity: Tensor) -> Mapping:
    """By how similar layers are: [M, N] of a student with weights, or [N, N] of the teacher's own for one without.

    The first is mapped as similarly as a strictly increasing mapping can; the second learns from the layers that stand
    best for all of the teacher's.
    """
    if len(similarity) == student_layers:
        return best_monotone(similarity)
    return most_representative(similarity, student_layers)


def check(mapping: Sequence[int | None], student_layers: int, teacher_layers: int) -> Mapping:
    """Return the mapping itself; raise InputError when it doesn't fit both depths or pairs no layer at all."""
    advice = "name others with {listed.layers}"
    if len(mapping) != student_layers:
        raise InputError(f"the mapping has {len(mapping)} entries, the student {student_layers} layers", advice)
    chosen = [n for n in mapping if n is not None]
    if not chosen:
        raise InputError("the mapping pairs no student layer with a teacher layer", advice)
    outside = [n for n in chosen if not 1 <= n <= teacher_layers]
    if outside:
        raise InputError(
            f"the mapping names layer {outside[0]}, the teacher's layers are 1 to {teacher_layers}", advice
        )
    return tuple(mapping)


def pairs(mapping: Mapping) -> list[tuple[int, int]]:
    """(student layer, teacher layer) of every mapped Transformer layer, in the student's order."""
    return [(m, n) for m, n in enumerate(mapping, start=1) if n is not None]


def linear_cka(x_NP: Tensor, y_NQ: Tensor) -> float:
    """Linear CKA of N states each, between 0 and 1 (Kornblith et al., arXiv 1905.00414, eq. 3)."""
    x, y = (z.double() - z.double().mean(0) for z in (x_NP, y_NQ))
    return float((x.T @ y).square().sum() / ((x.T @ x).norm() * (y.T @ y).norm()))


def layer_similarity(
    first: PreTrainedModel, second: PreTrainedModel, batches: Iterable[Batch], *, tokens: int = 4000
) -> Tensor:
    """Linear CKA between the hidden states of all Transformer layers [M, N], on the batches' first tokens."""
    batches = list(batches)
    ours = _states(first, batches, tokens)
    theirs = ours if second is first else _states(second, batches, tokens)
    return torch.tensor([[linear_cka(x, y) for y in theirs] for x in ours])


@torch.no_grad()
def _states(model: PreTrainedModel, batches: list[Batch], tokens: int) -> list[Tensor]:
    observer = Observer(model, range(1, model.config.num_hidden_layers + 1))
    seen = [observer(batch).hidden for batch in batches]
    return [torch.cat([hidden[n].flatten(0, 1) for hidden in seen])[:tokens] for n in observer.hidden_layers]


def best_monotone(similarity_MN: Tensor) -> Mapping:
    """The strictly increasing mapping of M student onto N ≥ M teacher layers with the largest summed similarity."""
    M, N = similarity_MN.shape
    if M > N:
        raise InputError(
            f"a mapping of {M} student layers onto {N} teacher layers can't be strictly increasing",
            "name the layers with {listed.layers}",
        )
    score = similarity_MN[0].clone()  # score[n]: best sum with the current student layer on teacher layer n
    choices = []
    for m in range(1, M):
        best, choice = torch.cummax(score, dim=0)
        choices.append(choice)
        score = torch.full_like(score, -torch.inf)
        score[m:] = similarity_MN[m, m:] + best[m - 1 : -1]
    layers = [int(score.argmax())]
    for choice in reversed(choices):
        layers.append(int(choice[layers[-1] - 1]))
    return tuple(n + 1 for n in reversed(layers))


def most_representative(similarity_NN: Tensor, student_layers: int) -> Mapping:
    """The M teacher layers that stand best for all N, from the teacher's similarity to itself.

    Teacher layers are cut into M runs; each run is represented by the member most similar to the run as a whole. The
    cut and the members with the largest summed similarity are found exactly by dynamic programming.
    """
    N = len(similarity_NN)
    if student_layers > N:
        raise InputError(
            f"{student_layers} student layers can't be told apart on {N} teacher layers",
            "name the layers with {listed.layers}",
        )

    def run(start: int, stop: int) -> tuple[float, int]:
        value, member = similarity_NN[start:stop, start:stop].sum(0).max(0)
        return float(value), start + int(member) + 1

    best: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, ())}  # by the number of layers covered so far
    for m in range(1, student_layers + 1):
        reached = {}
        for stop in range(m, N - (student_layers - m) + 1):
            options = []
            for start in (s for s in best if s < stop):
                value, member = run(start, stop)
                options.append((best[start][0] + value, (*best[start][1], member)))
            reached[stop] = max(options, key=lambda option: option[0])
        best = reached
    return best[N][1]
