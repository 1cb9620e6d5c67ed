"""The teacher of a new student as the student reads its tokens: with all, or with those that text and rows use."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from tinydistill.config.build import data
from tinydistill.config.schema import Config
from tinydistill.console import count, say
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.data.text.sources import Corpus
from tinydistill.data.text.token_counts import corpus_counts, token_counts
from tinydistill.models.source import Source
from tinydistill.models.vocabulary import check_word_pieces, cut_tokenizer, kept_tokens

Fallback = dict[str, Any]


def is_cut(config: Config) -> bool:
    """Whether a new student's vocabulary is cut; a student that is given keeps its own."""
    return config.student.vocabulary == "corpus" and config.student.path is None


def check(config: Config, teacher: Source) -> None:
    """Raises InputError where the vocabulary is to be cut and can't be."""
    if is_cut(config):
        check_word_pieces(teacher.tokenizer, f"{teacher.called}={teacher.path}")


def of_corpus(config: Config, teacher: Source, corpus: Corpus) -> Source:
    """A teacher with the tokens that a corpus uses."""
    return _cut(teacher, _in_corpus(config, teacher, corpus))


def of_task(config: Config, teacher: Source, task: TaskSource, corpus: Corpus, *, distilled: bool) -> Source:
    """A teacher with the tokens that a task's training rows and a corpus use; those that a student is distilled on."""
    rows = data.task_data(config, task, teacher.tokenizer, batch_size=1, distilled=distilled)
    in_corpus = _in_corpus(config, teacher, corpus)
    return _cut(teacher, in_corpus + token_counts([rows.encoded(rows.train).pieces], len(in_corpus)))


def _in_corpus(config: Config, teacher: Source, corpus: Corpus) -> NDArray[np.int64]:
    return corpus_counts(corpus, teacher.tokenizer, cache_dir=Path(config.paths.cache))


def _cut(teacher: Source, counts: NDArray[np.int64]) -> Source:
    kept = kept_tokens(teacher.tokenizer, np.flatnonzero(counts).tolist())
    cut = teacher.reading(cut_tokenizer(teacher.tokenizer, kept))
    assert cut is not None
    say(f"student.vocabulary=corpus keeps {count(len(kept))} of {count(len(teacher.tokenizer))} tokens")
    return cut


def fallback(config: Config, rows: TaskDataModule, whole: PreTrainedTokenizerBase) -> Fallback | None:
    """What a tokenizer that lacks some tokens of a whole one does in their place, by validation split.

    The share of the tokens that are split into smaller ones (`split`), and the number of unknown words with the whole
    vocabulary and without (`unknown_before`, `unknown`). None where it isn't a part of the whole one.
    """
    ours, theirs = rows.tokenizer.get_vocab(), whole.get_vocab()
    if not ours.keys() < theirs.keys():
        return None
    lost = np.array([number for token, number in theirs.items() if token not in ours])
    before = data.task_data(config, rows.source, whole, batch_size=1)

    def of(split: Any) -> dict[str, Any]:
        old, new = np.asarray(before.encoded(split).pieces), np.asarray(rows.encoded(split).pieces)
        unknown = {"unknown_before": (old, whole), "unknown": (new, rows.tokenizer)}
        return {
            "split": float(np.isin(old, lost).mean()),
            **{name: int((pieces == tokenizer.unk_token_id).sum()) for name, (pieces, tokenizer) in unknown.items()},
        }

    splits = {name: of(split) for name, split in rows.validation.items()}
    return {"tokens": len(ours), "of": len(theirs), "splits": splits}


def tell(found: Mapping[str, Any]) -> None:
    """Say how large a vocabulary is, and what is done without the rest."""
    splits = [
        f"{name}: {of['split']:.2%} of the tokens fall back to smaller ones, {of['unknown']:,} are unknown "
        f"({of['unknown_before']:,} before)"
        for name, of in found["splits"].items()
    ]
    say("; ".join([f"vocabulary: {found['tokens']:,} of {found['of']:,} tokens", *splits]))
