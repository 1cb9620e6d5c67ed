"""Tokens hidden from a masked language model: which, and what stands in their place.

B: blocks in a batch, L: length of a block, V: vocabulary. Everything is a function of the batch and the generator.
"""
# not transformers' DataCollatorForLanguageModeling, which masks whole words only of texts with offsets, none at random

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from tinydistill.errors import InputError

IGNORED = -100  # the label of a token that isn't predicted, as cross-entropy knows it
_MARKS = ("Ġ", "▁")  # what the first token of a word begins with: byte-level BPE, SentencePiece
_MARKED_SHARE = 0.05  # of a vocabulary, below which a mark is an accident


@dataclass(frozen=True)
class MaskingVocabulary:
    """What masking knows of a vocabulary: the mask's number, the tokens [V] that are no text, those that begin a word.

    Without `begins`, every token is a word of its own.
    """

    mask: int
    special: Tensor
    begins: Tensor | None = None


@dataclass(frozen=True)
class Rules:
    """A `share` of the tokens is predicted: of these, `masked` become the mask, `random` any token, the rest stay."""

    share: float
    masked: float = 1.0
    random: float = 0.0


class Masked(NamedTuple):
    """What the model reads [B, L], and the tokens that it has to predict [B, L], IGNORED elsewhere."""

    input_ids: Tensor
    labels: Tensor


def vocabulary(
    tokenizer: PreTrainedTokenizerBase, size: int, *, whole_words: bool, called: str = "the model"
) -> MaskingVocabulary:
    """The tokens of a tokenizer for a model that knows `size` of them, which may be more than the tokenizer's.

    Raises InputError where it has no mask, or where words are asked for and its tokens don't show where they begin.
    """
    if tokenizer.mask_token_id is None:
        raise InputError(f"{called}: the tokenizer has no mask token", "name a model that was made for masked text")
    words = tokenizer.get_vocab()
    special = torch.ones(size, dtype=torch.bool)
    special[list(words.values())] = False
    special[[*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder]] = True
    if not whole_words:
        return MaskingVocabulary(tokenizer.mask_token_id, special)
    begins = torch.ones(size, dtype=torch.bool)
    continuing = _continuing(tokenizer, words)
    if continuing is None:
        raise InputError(
            f"{called}: the tokenizer's tokens don't show where words begin",
            "mask single tokens: set {vocabulary.whole_words} to false",
        )
    begins[continuing] = False
    return MaskingVocabulary(tokenizer.mask_token_id, special, begins)


def _continuing(tokenizer: PreTrainedTokenizerBase, words: dict[str, int]) -> list[int] | None:
    """The tokens that continue a word, None where it doesn't show. Punctuation doesn't continue one."""
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    if model["type"] == "WordPiece":
        return [number for word, number in words.items() if word.startswith(model["continuing_subword_prefix"])]
    mark = word_mark(words)
    if not mark:
        return None
    return [n for word, n in words.items() if not word.startswith(mark) and any(map(str.isalnum, word))]


def word_mark(vocabulary: Collection[str]) -> str:
    """What the first token of a word begins with, in byte-level BPE and SentencePiece; empty where there is no mark."""
    for mark in _MARKS:
        if sum(piece.startswith(mark) for piece in vocabulary) > _MARKED_SHARE * len(vocabulary):
            return mark
    return ""


def generator(*key: int) -> torch.Generator:
    """Random numbers that are a function of the key: of the seed and a batch's number, say."""
    (state,) = np.random.SeedSequence(key).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state >> 1))


def mask_pieces(ids_BL: Tensor, pieces: MaskingVocabulary, rules: Rules, random: torch.Generator) -> Masked:
    """Hides a share of the tokens, whole words where `pieces` knows them, and at least one token of a batch.

    Every word is drawn by itself, so the share holds on the average. Special tokens are never hidden.
    """
    ids_BL = ids_BL.cpu()
    special_BL = pieces.special[ids_BL]
    draws_BL = torch.rand(ids_BL.shape, generator=random).gather(1, _word_numbers(ids_BL, pieces))
    draws_BL = draws_BL.masked_fill(special_BL, 2.0)
    hidden_BL = (draws_BL <= draws_BL.min().clamp_min(rules.share)) & ~special_BL
    how_BL = torch.rand(ids_BL.shape, generator=random)
    ordinary = (~pieces.special).nonzero()[:, 0]
    others_BL = ordinary[torch.randint(len(ordinary), ids_BL.shape, generator=random)]
    read_BL = ids_BL.masked_fill(hidden_BL & (how_BL < rules.masked), pieces.mask)
    replaced_BL = hidden_BL & (how_BL >= rules.masked) & (how_BL < rules.masked + rules.random)
    return Masked(read_BL.where(~replaced_BL, others_BL), ids_BL.masked_fill(~hidden_BL, IGNORED))


def _word_numbers(ids_BL: Tensor, pieces: MaskingVocabulary) -> Tensor:
    """For every token [B, L] the number of its word in its block; what an edge cuts off is a word of its own."""
    if pieces.begins is None:
        return torch.arange(ids_BL.shape[1]).expand_as(ids_BL)
    special_BL = pieces.special[ids_BL]
    begins_BL = pieces.begins[ids_BL] | special_BL
    begins_BL[:, 1:] |= special_BL[:, :-1]
    return (begins_BL.long().cumsum(1) - 1).clamp_min(0)
