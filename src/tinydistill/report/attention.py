"""Attention maps of teacher and student: the attention probabilities of mapped layers, side by side.

Shapes: L tokens of one text, H heads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinydistill.models.observation import Observer, attention_probabilities, encoder_inputs, release
from tinydistill.report.plots import figure

TOKENS = 20  # of a text that are drawn: more can't be read


@dataclass(frozen=True)
class AttentionMaps:
    """One text's tokens, and for every mapped pair (m, n) the probabilities [L, L] of student and teacher."""

    tokens: tuple[str, ...]
    pairs: tuple[tuple[int, int], ...]
    student: tuple[Tensor, ...]
    teacher: tuple[Tensor, ...]


def attention_maps(
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    pairs: Sequence[tuple[int, int]],
    *,
    head: int | None = None,
) -> list[AttentionMaps]:
    """The maps of every text, cut at TOKENS tokens: of one head, counted from 1, or the mean over heads.

    `pairs` are (student layer, teacher layer). Raises InputError where an architecture doesn't show its attention.
    """
    ours, theirs = [m for m, _ in pairs], [n for _, n in pairs]
    found = []
    try:
        observers = Observer(student.eval(), (), ours), Observer(teacher.eval(), (), theirs)
        for text in texts:
            row = tokenizer(text, truncation=True, max_length=TOKENS, return_tensors="pt")
            with torch.no_grad():
                seen = [observer(encoder_inputs(row)).attention for observer in observers]
            kept = [{n: _one(attention_probabilities(qkv), head) for n, qkv in of_model.items()} for of_model in seen]
            found.append(
                AttentionMaps(
                    tuple(tokenizer.convert_ids_to_tokens(row["input_ids"][0])),
                    tuple(pairs),
                    tuple(kept[0][m] for m in ours),
                    tuple(kept[1][n] for n in theirs),
                )
            )
    finally:
        release(student)
        release(teacher)
    return found


def _one(maps_HLL: Tensor, head: int | None) -> Tensor:
    return maps_HLL.mean(0) if head is None else maps_HLL[head - 1]


def draw(file: Path, maps: AttentionMaps) -> None:
    """Write a PNG: a row a mapped pair, the teacher on the left; both sides of a row have the same colors."""
    from matplotlib.colors import PowerNorm

    rows, length = len(maps.pairs), len(maps.tokens)
    side, words = 0.108 * length, 0.065 * max(map(len, maps.tokens))  # inches
    with figure(file, (2 * side + words + 0.85, rows * (side + words + 0.45))) as fig:
        grid = fig.subplots(rows, 2, squeeze=False)
        for i, (m, n) in enumerate(maps.pairs):
            darkest = max(float(maps.teacher[i].max()), float(maps.student[i].max()))
            for axes, name, shown in zip(
                grid[i], (f"teacher, layer {n}", f"student, layer {m}"), (maps.teacher[i], maps.student[i]), strict=True
            ):
                image = axes.imshow(shown.numpy(), cmap="Blues", norm=PowerNorm(0.5, 0, darkest))
                axes.set_title(name, fontsize=10)
                _label(axes, maps.tokens, left=axes is grid[i][0])
            bar = fig.colorbar(image, ax=list(grid[i]), shrink=0.8, aspect=25, pad=0.01)
            bar.outline.set_visible(False)
            bar.ax.tick_params(labelsize=7.5)


def _label(axes: Any, tokens: Sequence[str], *, left: bool) -> None:
    words = [token.replace("Ġ", "") for token in tokens]
    axes.grid(visible=False)
    axes.set_xticks(range(len(words)), words, rotation=90, fontsize=7.5)
    axes.set_yticks(range(len(words)), words if left else [""] * len(words), fontsize=7.5)
    axes.tick_params(length=0, pad=2)
    for spine in axes.spines.values():
        spine.set(visible=True, color="#CCCCCC", linewidth=0.7)
