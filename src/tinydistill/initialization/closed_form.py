"""Solve for a student from its teacher: linear algebra on a sample of text instead of the first hour of training.

Shapes: B batch, L length, N tokens, D hidden size. Student layers are counted
m = 1..M, teacher layers n = 1..N; 0 is the embedding layer. Suffixes _S and _T: student, teacher.
"""

import copy
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel

from tinydistill.console import Meter
from tinydistill.errors import InputError, RunError
from tinydistill.initialization import linear_algebra as linear
from tinydistill.initialization.layer_solvers import (
    SLIGHT,
    Batch,
    Chunk,
    solve_feed_forward,
    solve_scores,
    solve_values,
)
from tinydistill.initialization.linear_algebra import NormalEquations, RunningCovariance
from tinydistill.initialization.sensitivity import Sensitivity, gradients
from tinydistill.models.encoder_parts import Embeddings, encoder_parts
from tinydistill.models.finite import not_finite
from tinydistill.models.observation import Observer, valid_tokens

Projections = dict[int, tuple[Tensor, Tensor]]

HELD_OUT = 4  # one row of text in so many is kept for choosing the penalties
ROWS = 32  # rows of text in one step of a sum
OTHERWISE = "take {initialize_student.method}=random"  # advice


@torch.no_grad()
def solve_student(
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    mapping: Sequence[int | None],
    batches: Iterable[Batch],
    *,
    seed: int,
) -> tuple[str, ...]:
    """Sets a freshly initialized student's weights, in place, so that its states and scores imitate the teacher's.

    `mapping[m-1]` is the teacher layer of student layer m; for None, one between its neighbors' is taken. `batches`
    hold `input_ids` [B, L] and what else the models take, on their device: about 400 rows of 128 tokens serve
    well, and the more rows, the better the upper layers. In memory: tokens · (layers + 1) · D_T · 2 bytes. Of a
    teacher with a head what its logits depend on counts more.

    From the bottom up, on what each student layer really sees, in a basis of the teacher's leading directions:
    embedding tables are the teacher's; queries and keys the best low-rank approximation of its scores; values and
    attention outputs a reduced-rank regression onto its states; feed-forward neurons the most useful of its own, their
    outputs a ridge regression. LayerNorms and poolers stay as they are.

    Returns what else was left as it was, one phrase a part (an empty tuple when nothing was): the attention scores
    where the numbers of heads differ; the Transformer layers where either model has fused, rotary, pre-norm ones
    (ModernBERT); the embeddings where the student projects them from another size than the teacher (ELECTRA).
    Raises InputError for an unknown architecture, when the student is wider than the teacher, the vocabularies differ
    in size, the teacher's states aren't finite, or there are fewer than 4 rows of text; RunError where a weight comes
    out that isn't finite.
    """
    S, T = encoder_parts(student), encoder_parts(teacher)
    check_widths(student.config, teacher.config)
    width = student.config.hidden_size
    left = []
    with _evaluating(student, teacher):
        chunks, covariances, sensitivity = _observe(teacher, batches, seed)
        if broken := not_finite((f"layer {n}", covariance) for n, covariance in enumerate(covariances)):
            raise InputError(f"the teacher's hidden states of {broken} aren't finite on this text")
        if teacher.dtype != torch.float32:  # it may run in bf16; what is solved for from its weights is not
            teacher = copy.deepcopy(teacher).float()
            T = encoder_parts(teacher)
        rotation = linear.random_rotation(width, seed).to(covariances[0].device)
        counted = [*covariances, *(sensitivity.of_variance(n, covariances[n]) for n in sensitivity.moments)]
        basis_TS = (linear.shared_subspace(counted, width) @ rotation).float()
        if not _solve_embeddings(S.embeddings, T.embeddings, basis_TS):
            left.append("embeddings (their size before the projection differs)")
        if S.layers is None or T.layers is None:
            kind = (student if S.layers is None else teacher).config.model_type
            return (*left, f"Transformer layers ({kind} has no post-norm ones with separate queries and keys)")
        embedded = Observer(student, [0])
        for chunk in chunks:
            chunk.student_BLD = embedded(chunk.batch).hidden[0].float()
        below = 0
        with Meter("solving for the student", "part", 3 * len(S.layers)) as meter:
            for layer_S, n in zip(S.layers, complete(mapping, len(T.layers)), strict=True):
                if layer_S.heads == T.layers[n - 1].heads:
                    solve_scores(chunks, layer_S, T.layers[n - 1], n)
                meter.update()
                root = sensitivity.root(n, basis_TS)
                solve_values(chunks, layer_S, n, basis_TS, root)
                meter.update()
                solve_feed_forward(chunks, layer_S, T.layers, range(min(below, n - 1), n), basis_TS, root[0])
                meter.update()
                below = n
        if S.layers[0].heads != T.layers[0].heads:
            left.append(f"attention scores ({S.layers[0].heads} heads, the teacher has {T.layers[0].heads})")
    if broken := not_finite(student.named_parameters()):
        raise RunError(f"the closed form has no solution: {broken} of the student isn't finite")
    return tuple(left)


@torch.no_grad()
def solve_projections(
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    mapping: Sequence[int | None],
    batches: Iterable[Batch],
    *,
    shared: bool = False,
) -> Projections:
    """Ridge regression from the student's states to the teacher's: weight [D_T, D_S] and bias [D_T] by student layer.

    Layer 0 (the embeddings) and every mapped layer have one; with `shared`, they have the same, fitted on all pairs.
    """
    pairs = [(0, 0), *((m, n) for m, n in enumerate(mapping, start=1) if n is not None)]
    normals = {m: NormalEquations() for m, _ in pairs}
    with _evaluating(student, teacher):
        observers = Observer(student, [m for m, _ in pairs]), Observer(teacher, [n for _, n in pairs])
        for batch in batches:
            mask = valid_tokens(batch)
            seen_S, seen_T = (observer(batch).hidden for observer in observers)
            for m, n in pairs:
                normals[m].update(seen_S[m][mask].double(), seen_T[n][mask].double())
    if shared:
        first, *others = normals.values()
        normals = dict.fromkeys(normals, sum(others, start=first))
    weights = {m: linear.ridge(*normal.means(), SLIGHT).float() for m, normal in normals.items()}
    return {m: (weight[:-1].T.contiguous(), weight[-1]) for m, weight in weights.items()}


def check_widths(student: PretrainedConfig, teacher: PretrainedConfig) -> None:
    """Raises InputError where the student is wider than the teacher."""
    widths = student.hidden_size, teacher.hidden_size
    if widths[0] > widths[1]:
        message = f"the closed form needs a student no wider than the teacher, not {widths[0]} and {widths[1]}"
        raise InputError(message, OTHERWISE)


def complete(mapping: Sequence[int | None], teacher_layers: int) -> list[int]:
    """The mapping without gaps: a None lies evenly between its neighbors, the ends being 0 → 0 and M → N."""
    anchors = [(0, 0), *((m, n) for m, n in enumerate(mapping, start=1) if n is not None)]
    if anchors[-1][0] != len(mapping):
        anchors.append((len(mapping), teacher_layers))
    filled = []
    for (m0, n0), (m1, n1) in pairwise(anchors):
        filled += [max(1, round(n0 + (m - m0) * (n1 - n0) / (m1 - m0))) for m in range(m0 + 1, m1 + 1)]
    return filled


@contextmanager
def _evaluating(*models: PreTrainedModel) -> Iterator[None]:
    training = [model for model in models if model.training]
    for model in training:
        model.eval()
    try:
        yield
    finally:
        for model in training:
            model.train()


def _observe(
    teacher: PreTrainedModel, batches: Iterable[Batch], seed: int
) -> tuple[list[Chunk], list[Tensor], Sensitivity]:
    """The sample in chunks, the covariance of every layer's states, and what of them the logits depend on."""
    observer = Observer(teacher, range(teacher.config.num_hidden_layers + 1))
    covariances = {n: RunningCovariance() for n in observer.hidden_layers}
    sensitivity, has_head = Sensitivity(seed), teacher.base_model is not teacher
    chunks, count = [], 0
    for batch in batches:
        row = torch.arange(count, count := count + len(batch["input_ids"]))
        for held_out in (False, True):
            chosen = torch.nonzero((row % HELD_OUT == HELD_OUT - 1) == held_out).flatten()
            for rows in chosen.split(ROWS) if len(chosen) else ():
                part = {name: value[rows.to(value.device)] for name, value in batch.items()}
                mask = valid_tokens(part)
                sensed = has_head and held_out  # a fourth of the rows, to save time
                with gradients(teacher, wanted=sensed):
                    seen = observer(part)
                    if sensed:
                        sensitivity.update(seen, mask)
                hidden = {n: states.detach() for n, states in seen.hidden.items()}
                for n, states in hidden.items():
                    covariances[n].update(states[mask])
                kept = {n: states.bfloat16() for n, states in hidden.items()}
                chunks.append(Chunk(part, mask, held_out, kept, torch.empty(0)))
    if count < HELD_OUT:
        raise InputError(f"a student in closed form needs {HELD_OUT} rows of text or more, not {count}", OTHERWISE)
    return chunks, [running.covariance for running in covariances.values()], sensitivity


def _solve_embeddings(S: Embeddings, T: Embeddings, basis_TS: Tensor) -> bool:
    """Tables whose LayerNormed sum is the teacher's embedding output in the basis, up to the scale of each token."""
    if S.word.num_embeddings != T.word.num_embeddings:
        raise InputError(
            f"the vocabularies differ: {S.word.num_embeddings} and {T.word.num_embeddings} tokens", OTHERWISE
        )
    onward_ES = basis_TS if T.project is None else T.project.weight.float().T @ basis_TS
    if S.project is not None:
        if S.word.embedding_dim != T.word.embedding_dim:
            return False
        S.norm.load_state_dict(T.norm.state_dict())
        S.project.weight.copy_(onward_ES.T)
    for table_S, table_T in ((S.word, T.word), (S.position, T.position), (S.token_type, T.token_type)):
        if table_S is None or table_T is None:
            continue
        rows = min(table_S.num_embeddings, table_T.num_embeddings)
        table = table_T.weight[:rows].float()
        if S.project is None:
            table = T.norm.weight.float() * (table - table.mean(1, keepdim=True)) @ onward_ES
        table_S.weight[:rows] = table
    return True
