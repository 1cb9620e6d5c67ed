"""Tiny sentence embedders, and files to score them on, that tests share."""

from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from tests.conftest import bert, sentences
from tinydistill.models.embedder import SentenceEmbedder
from tinydistill.models.loading import save_model
from tinydistill.models.sentence_modules import Dense, SentenceModules


def embedder(*, seed: int = 1, dense: Sequence[Dense] = (), **modules: object) -> SentenceEmbedder:
    """A random one of 4 layers and width 32, whose maps are random too."""
    torch.manual_seed(seed)
    spec = SentenceModules(32, dense=tuple(dense), **{"max_length": 32, **modules})
    return SentenceEmbedder(bert(4, 32, seed=seed, initializer_range=0.2), spec).eval()


@torch.no_grad()
def embed(model: SentenceEmbedder, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> torch.Tensor:
    """The embeddings [N, E] of texts."""
    return model(**tokenizer(list(texts), padding=True, return_tensors="pt")).sentence_embedding


def write_embedder(directory: Path, tokenizer: PreTrainedTokenizerBase, **options: object) -> Path:
    """A random embedder as a directory."""
    save_model(embedder(**options), tokenizer, directory)
    return directory


def write_sts(file: Path, directory: Path, tokenizer: PreTrainedTokenizerBase, pairs: int = 40) -> Path:
    """Pairs of random sentences with scores that an embedder's cosines agree with, in a TSV."""
    texts = sentences(2 * pairs, seed=9)
    rows = embed(SentenceEmbedder.from_pretrained(directory), tokenizer, texts)
    scores = (rows[:pairs] * rows[pairs:]).sum(1).tolist()
    lines = [f"{a}\t{b}\t{5 * score:.5f}" for a, b, score in zip(texts[:pairs], texts[pairs:], scores, strict=True)]
    file.write_text("\n".join(["text\ttext_pair\tscore", *lines]) + "\n")
    return file
