"""Models that are found but not loaded yet, so that what doesn't fit is known before any weight is read."""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from tinydistill.errors import InputError
from tinydistill.models import loading
from tinydistill.models.heads import Head, load_with_head
from tinydistill.models.masked_lm import load_masked_lm
from tinydistill.models.vocabulary import TokenNumbers, cut_config, cut_model, tokens_in


@dataclass(frozen=True)
class Source:
    """A model to load: where it is, which revision, and what messages call it.

    Of a model that reads the tokens of another tokenizer than its own, `kept` are the numbers that these have in its
    own: its embeddings are cut to them as it is loaded.
    """

    path: str
    revision: str | None
    called: str
    config: PretrainedConfig
    tokenizer: PreTrainedTokenizerBase
    kept: TokenNumbers | None = None

    @cached_property
    def identity(self) -> str:
        """What the weights are; those of the hub are fetched for it."""
        return loading.identity(self.path, self.revision, called=self.called)

    def encoder(self, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
        """The encoder without any head."""
        return self._cut(loading.load_encoder(self.path, revision=self.revision, dtype=dtype, called=self.called))

    def with_head(self, head: Head, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
        """The model with its head for a task."""
        return self._cut(load_with_head(self.path, head, revision=self.revision, dtype=dtype, called=self.called))

    def masked_lm(self, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
        """The model with its masked-LM head."""
        assert self.kept is None  # its output layer has all tokens
        return load_masked_lm(self.path, revision=self.revision, dtype=dtype, called=self.called)

    def reading(self, tokenizer: PreTrainedTokenizerBase) -> "Source | None":
        """The same model as it reads the tokens of a tokenizer that has some of its own, by other numbers maybe.

        Itself where they are the same; None where it lacks some of them.
        """
        if tokenizer.get_vocab() == self.tokenizer.get_vocab():
            return self
        kept = tokens_in(tokenizer, self.tokenizer)
        if kept is None:
            return None
        numbers = kept if self.kept is None else tuple(self.kept[number] for number in kept)
        return replace(self, config=cut_config(self.config, kept), tokenizer=tokenizer, kept=numbers)

    def _cut(self, model: PreTrainedModel) -> PreTrainedModel:
        return model if self.kept is None else cut_model(model, self.kept)


def find(path: str, called: str = loading.THE_MODEL, revision: str | None = None) -> Source:
    """Looks a model up and reads its configuration and tokenizer, no weights yet."""
    place = loading.locate(path, called=called)
    config = loading.load_config(place, revision=revision, called=called)
    tokenizer = loading.load_tokenizer(place, revision=revision, called=called)
    known = max(len(tokenizer), 1 + max(tokenizer.get_vocab().values()))
    if known > config.vocab_size:
        raise InputError(f"{called}={path}: the tokenizer knows {known} tokens, the model only {config.vocab_size}")
    return Source(place, revision, called, config, tokenizer)


def check_vocabularies(teacher: Source, student: Source) -> None:
    """Raises InputError where the student has tokens that the teacher lacks."""
    if teacher.reading(student.tokenizer) is not None:
        return
    ours, theirs = student.tokenizer.get_vocab(), teacher.tokenizer.get_vocab()
    odd = next((token for token in ours if token not in theirs), None)
    why = "the student numbers its tokens with gaps" if odd is None else f"the teacher has no {odd!r}"
    raise InputError(
        f"{student.called} and {teacher.called} don't share a vocabulary ({len(ours)} and {len(theirs)} tokens; {why})",
        "the student must use tokens of the teacher",
    )


def longest_input(config: PretrainedConfig) -> int:
    """The number of positions that a model has a place for."""
    reserved = {"mpnet": 2}.get(config.model_type, 0)
    if config.model_type in ("roberta", "camembert", "xlm-roberta"):
        reserved = config.pad_token_id + 1
    return int(config.max_position_embeddings) - reserved
