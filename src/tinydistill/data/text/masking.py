"""Word pieces hidden from a masked language model: which, and what stands in their place.

B: blocks in a batch, L: length of a block, V: vocabulary. Everything is a function of the batch and the generator.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerBase

from tinydistill.errors import UserError

IGNORED = -100  # the label of a piece that isn't asked for, as cross-entropy knows it
_MARKS = ("Ġ", "▁")  # what the first piece of a word begins with: byte-level BPE, SentencePiece
_MARKED_SHARE = 0.05  # of a vocabulary, below which a mark is an accident


@dataclass(frozen=True)
class MaskingVocabulary:
    """What masking knows of a vocabulary: the mask's number, the pieces [V] that are no text, those that begin a word.

    Without `begins`, every piece is a word of its own.
    """

    mask: int
    special: Tensor
    begins: Tensor | None = None


@dataclass(frozen=True)
class Rules:
    """A `share` of the text is asked for: of that, `masked` becomes the mask, `random` any piece, the rest stays."""

    share: float
    masked: float = 1.0
    random: float = 0.0


class Masked(NamedTuple):
    """What the model reads [B, L], and the pieces that it has to tell [B, L], IGNORED elsewhere."""

    input_ids: Tensor
    labels: Tensor


def vocabulary(tokenizer: PreTrainedTokenizerBase, size: int, *, whole_words: bool, override: str) -> MaskingVocabulary:
    """The pieces of a tokenizer for a model that knows `size` of them, which may be more than the tokenizer's.

    Raises UserError where it has no mask, or where words are asked for and its pieces don't show where they begin.
    """
    if tokenizer.mask_token_id is None:
        raise UserError(f"{override}: the tokenizer has no mask token; name a model that was made for masked text")
    words = tokenizer.get_vocab()
    special = torch.ones(size, dtype=torch.bool)
    special[list(words.values())] = False
    special[[*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder]] = True
    if not whole_words:
        return MaskingVocabulary(tokenizer.mask_token_id, special)
    begins = torch.ones(size, dtype=torch.bool)
    continuing = _continuing(tokenizer, words)
    if continuing is None:
        raise UserError(
            f"{override}: the tokenizer's pieces don't show where words begin; mask pieces with "
            "pretrain.whole_words=false"
        )
    begins[continuing] = False
    return MaskingVocabulary(tokenizer.mask_token_id, special, begins)


def _continuing(tokenizer: PreTrainedTokenizerBase, words: dict[str, int]) -> list[int] | None:
    """The pieces that go on with a word, None where it can't be told. Punctuation doesn't go on with one."""
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    if model["type"] == "WordPiece":
        return [number for word, number in words.items() if word.startswith(model["continuing_subword_prefix"])]
    mark = word_mark(words)
    if not mark:
        return None
    return [n for word, n in words.items() if not word.startswith(mark) and any(map(str.isalnum, word))]


def word_mark(vocabulary: Collection[str]) -> str:
    """What the first piece of a word begins with, in byte-level BPE and SentencePiece; empty where there is no mark."""
    for mark in _MARKS:
        if sum(piece.startswith(mark) for piece in vocabulary) > _MARKED_SHARE * len(vocabulary):
            return mark
    return ""


def generator(*key: int) -> torch.Generator:
    """Random numbers that are a function of the key: of the seed and a batch's number, say."""
    (state,) = np.random.SeedSequence(key).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state >> 1))


def mask_pieces(ids_BL: Tensor, pieces: MaskingVocabulary, rules: Rules, random: torch.Generator) -> Masked:
    """Asks for a share of the pieces, whole words where `pieces` knows them, and at least for one piece of a batch.

    Every word is drawn by itself, so the share holds on the average. Special tokens are never asked for.
    """
    ids_BL = ids_BL.cpu()
    special_BL = pieces.special[ids_BL]
    draws_BL = torch.rand(ids_BL.shape, generator=random).gather(1, _word_numbers(ids_BL, pieces))
    draws_BL = draws_BL.masked_fill(special_BL, 2.0)
    asked_BL = (draws_BL <= draws_BL.min().clamp_min(rules.share)) & ~special_BL
    ways_BL = torch.rand(ids_BL.shape, generator=random)
    ordinary = (~pieces.special).nonzero()[:, 0]
    others_BL = ordinary[torch.randint(len(ordinary), ids_BL.shape, generator=random)]
    read_BL = ids_BL.masked_fill(asked_BL & (ways_BL < rules.masked), pieces.mask)
    replaced_BL = asked_BL & (ways_BL >= rules.masked) & (ways_BL < rules.masked + rules.random)
    return Masked(read_BL.where(~replaced_BL, others_BL), ids_BL.masked_fill(~asked_BL, IGNORED))


def _word_numbers(ids_BL: Tensor, pieces: MaskingVocabulary) -> Tensor:
    """For every piece [B, L] the number of its word in its block; what an edge cuts off is a word of its own."""
    if pieces.begins is None:
        return torch.arange(ids_BL.shape[1]).expand_as(ids_BL)
    special_BL = pieces.special[ids_BL]
    begins_BL = pieces.begins[ids_BL] | special_BL
    begins_BL[:, 1:] |= special_BL[:, :-1]
    return (begins_BL.long().cumsum(1) - 1).clamp_min(0)


class MaskedBlocks(Dataset[dict[str, Tensor]]):
    """Blocks masked once and for all; indexing with block numbers [B] gives a batch of input_ids and labels [B, L]."""

    def __init__(
        self, blocks: Dataset[dict[str, Tensor]], count: int, pieces: MaskingVocabulary, rules: Rules, *key: int
    ):
        ids = blocks[np.arange(count)]["input_ids"]
        self.masked = mask_pieces(ids, pieces, rules, generator(*key))

    def __getitem__(self, blocks: Any) -> dict[str, Tensor]:
        return {name: ids[blocks] for name, ids in self.masked._asdict().items()}
