"""A vocabulary cut to the word pieces that are used: a tokenizer and a model that know these alone.

WordPiece takes the longest piece that it knows, from a word's beginning on. So a word whose pieces are all kept has the
same pieces as before, and any other falls back to smaller ones, which the whole vocabulary has as well.

V: tokens of the whole vocabulary, K: those that are kept.
"""

import copy
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from tinydistill.errors import InputError

TokenNumbers = tuple[int, ...]
_SPECIAL = ("pad", "bos", "eos", "sep", "cls", "unk", "mask")  # whose numbers a configuration may have


def check_word_pieces(tokenizer: PreTrainedTokenizerBase, called: str) -> None:
    """Raises InputError where a tokenizer isn't WordPiece, whose vocabulary alone can be cut."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    kind = type(tokenizer).__name__ if backend is None else type(backend.model).__name__
    if kind != "WordPiece":
        raise InputError(
            f"the vocabulary of {called} can't be cut: its tokenizer is {kind}, not WordPiece",
            "take {cut_tokenizer.vocabulary}=teacher",
        )


def kept_tokens(tokenizer: PreTrainedTokenizerBase, used: Iterable[int]) -> TokenNumbers:
    """The numbers [K], rising, of the tokens that are kept: used ones, single characters, added and special ones."""
    backend = tokenizer.backend_tokenizer
    prefix = backend.model.continuing_subword_prefix
    single = {
        number
        for piece, number in backend.get_vocab().items()
        if len(piece) == 1 or len(piece.removeprefix(prefix)) == 1
    }
    return tuple(sorted(single | set(backend.get_added_tokens_decoder()) | set(tokenizer.all_special_ids) | set(used)))


def cut_tokenizer(tokenizer: PreTrainedTokenizerBase, kept: Sequence[int]) -> PreTrainedTokenizerBase:
    """A tokenizer that knows the tokens with these numbers alone, and numbers them anew in their order.

    Otherwise it is the same: what it cuts words at, which tokens are special, where these go.
    """
    anew = {old: new for new, old in enumerate(kept)}
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    state["model"]["vocab"] = {p: anew[number] for p, number in state["model"]["vocab"].items() if number in anew}
    for token in state["added_tokens"]:
        token["id"] = anew[token["id"]]
    if state.get("padding"):
        state["padding"]["pad_id"] = anew[state["padding"]["pad_id"]]
    _renumber(state.get("post_processor"), anew)
    with TemporaryDirectory() as directory:
        tokenizer.save_pretrained(directory)
        (Path(directory) / "tokenizer.json").write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")
        cut: PreTrainedTokenizerBase = type(tokenizer).from_pretrained(directory)
    cut.name_or_path = tokenizer.name_or_path
    if tokens_in(cut, tokenizer) != tuple(kept):
        raise RuntimeError(f"{type(tokenizer).__name__} doesn't number its tokens anew")
    return cut


def _renumber(processor: Any, anew: dict[int, int]) -> None:
    """Number special tokens anew where they are put around texts, in place."""
    if processor is None:
        return
    for part in processor.get("processors", ()):
        _renumber(part, anew)
    for token in dict(processor.get("special_tokens") or {}).values():
        token["ids"] = [anew[number] for number in token["ids"]]
    for name in ("sep", "cls"):
        if name in processor:
            processor[name] = [processor[name][0], anew[processor[name][1]]]


def tokens_in(ours: PreTrainedTokenizerBase, theirs: PreTrainedTokenizerBase) -> TokenNumbers | None:
    """What numbers a tokenizer's tokens, in their order, have in another one; None where it lacks some."""
    vocabulary, other = ours.get_vocab(), theirs.get_vocab()
    if not vocabulary.keys() <= other.keys() or sorted(vocabulary.values()) != list(range(len(vocabulary))):
        return None
    return tuple(other[token] for token in sorted(vocabulary, key=vocabulary.__getitem__))


def cut_config(config: PretrainedConfig, kept: Sequence[int]) -> PretrainedConfig:
    """The configuration of a model that knows the tokens with these numbers alone."""
    config, anew = copy.deepcopy(config), {old: new for new, old in enumerate(kept)}
    config.vocab_size = len(kept)
    for name in (f"{token}_token_id" for token in _SPECIAL):
        if (number := getattr(config, name, None)) is not None:
            setattr(config, name, anew.get(number))
    return config


def cut_model(model: PreTrainedModel, kept: Sequence[int]) -> PreTrainedModel:
    """A model whose embeddings [V, D] are cut, in place, to the tokens with these numbers, [K, D].

    It computes of these tokens, numbered anew, what it did of them before.
    """
    encoder = model.base_model
    whole, config = encoder.get_input_embeddings(), cut_config(model.config, kept)
    table = nn.Embedding(len(kept), whole.embedding_dim, config.pad_token_id, device="meta")
    rows = whole.weight.detach()[torch.tensor(kept, device=whole.weight.device)]
    table.weight = nn.Parameter(rows.clone(), requires_grad=whole.weight.requires_grad)
    encoder.set_input_embeddings(table)
    for part in {id(one.config): one.config for one in model.modules() if hasattr(one, "config")}.values():
        for name, value in config.to_dict().items():
            if name == "vocab_size" or name.endswith("_token_id"):
                setattr(part, name, value)
    return model
