"""Attention maps of teacher and student: the attention probabilities of mapped layers, side by side.

Shapes: L tokens of one text, H heads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinydistill.distillation import imitation
from tinydistill.models.observation import encoder_inputs, release
from tinydistill.report.plots import figure

TOKENS = 20  # of a text that are drawn: more can't be read


@dataclass(frozen=True)
class AttentionMaps:
    """One text's tokens; by (student layer, teacher layer) the probabilities [L, L] of student and teacher."""

    tokens: tuple[str, ...]
    maps: dict[tuple[int, int], Sequence[Tensor]]


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

    found = []
    try:
        for text in texts:
            row = encoder_inputs(tokenizer(text, truncation=True, max_length=TOKENS, return_tensors="pt"))
            seen = imitation.attention_maps(student.eval(), teacher.eval(), row, pairs)
            shown = [[one.mean(0) if head is None else one[head - 1] for one in sides] for sides in seen]
            tokens = tokenizer.convert_ids_to_tokens(row["input_ids"][0])
            found.append(AttentionMaps(tuple(tokens), dict(zip(pairs, shown, strict=True))))
    finally:
        release(student)
        release(teacher)
    return found


def draw(file: Path, seen: AttentionMaps) -> None:
    """Write a PNG: a row a mapped pair, the teacher on the left; both sides of a row have the same colors."""
    from matplotlib.colors import PowerNorm

    rows, length = len(seen.maps), len(seen.tokens)
    side, margin = 0.108 * length, 0.065 * max(map(len, seen.tokens))  # inches
    words = [token.replace("Ġ", "") for token in seen.tokens]
    with figure(file, (2 * side + margin + 0.85, rows * (side + margin + 0.45))) as fig:
        grid = fig.subplots(rows, 2, squeeze=False)
        for row, ((m, n), (student, teacher)) in zip(grid, seen.maps.items(), strict=True):
            darkest = max(float(teacher.max()), float(student.max()))
            sides = (f"teacher, layer {n}", teacher), (f"student, layer {m}", student)
            for axes, (name, shown) in zip(row, sides, strict=True):
                image = axes.imshow(shown.numpy(), cmap="Blues", norm=PowerNorm(0.5, 0, darkest))
                axes.set_title(name, fontsize=10)
                axes.grid(visible=False)
                axes.set_xticks(range(length), words, rotation=90, fontsize=7.5)
                axes.set_yticks(range(length), words if axes is row[0] else [""] * length, fontsize=7.5)
                axes.tick_params(length=0, pad=2)
                for spine in axes.spines.values():
                    spine.set(visible=True, color="#CCCCCC", linewidth=0.7)
            bar = fig.colorbar(image, ax=list(row), shrink=0.8, aspect=25, pad=0.01)
            bar.outline.set_visible(False)
            bar.ax.tick_params(labelsize=7.5)
