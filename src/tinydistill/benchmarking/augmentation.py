"""Rows augmented from the texts to the Parquet file, timed."""

import copy
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinydistill.augmentation.augmenter import Augmenter
from tinydistill.augmentation.candidates import CandidateFinder
from tinydistill.augmentation.contexts import MaskedWords
from tinydistill.benchmarking.gemm import counted
from tinydistill.benchmarking.piece import Piece
from tinydistill.data.tasks.examples import Split

FIRST = 8  # rows that are augmented to see how fast that is


def measure_augmentation(
    rows: Split,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    make_trainer: Callable[[], pl.Trainer],
    directory: Path,
    *,
    seconds: float,
    **options: Any,
) -> Piece:
    """Augment as many rows, drawn at random, as take so long; `options` are those of `augment`."""
    order = np.random.default_rng(0).permutation(len(rows))

    def work(count: int, name: str) -> Piece:
        some, own = rows.take(order[:count]), copy.deepcopy(model)
        return augment(some, own, tokenizer, make_trainer(), directory / f"augmentation-{name}", **options)

    first = work(FIRST, "first")
    done = work(max(FIRST, round(first.units * seconds / first.seconds)), "second")
    return replace(done, whole=float(len(rows)))


def augment(
    rows: Split,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    trainer: pl.Trainer,
    directory: Path,
    *,
    max_length: int = 128,
    candidates: int = 15,
    batch_size: int = 16,
    count: int = 20,
    probability: float = 0.4,
) -> Piece:
    """Make `count` new rows of each in an empty directory, as the augment stage does; the model is taken apart."""
    start = time.perf_counter()
    augmenter = Augmenter(
        rows, tokenizer, cache_dir=directory, identity="", max_length=max_length, candidates=candidates
    )
    finder = augmenter.finder(model, batch_size=batch_size)
    paused = time.perf_counter()
    tokens, flops = _size(finder, augmenter.questions)
    start += time.perf_counter() - paused
    trainer.predict(finder, return_predictions=False)
    augmenter.write(directory / "rows.parquet", lambda: model, count=count, probability=probability)
    taken, words = time.perf_counter() - start, len(augmenter.questions)
    more = {"words": words, "words_per_second": words / taken, "tokens": tokens}  # those that the encoder saw
    return Piece("augmentation", "row", len(rows), taken, flops, more=more)


def _size(finder: CandidateFinder, questions: MaskedWords) -> tuple[int, float]:
    """Tokens and FLOPs of the questions, these from one question of every length."""
    of_one: dict[int, int] = {}
    tokens, flops = 0, 0
    for number in range(len(questions.groups)):
        group = questions.group(number)
        asked, length = group.inputs["input_ids"].shape
        if length not in of_one:
            with counted() as counter:
                finder.model({name: rows[:1] for name, rows in group.inputs.items()}, group.places[:1])
            of_one[length] = counter.get_total_flops()
        tokens += asked * length
        flops += asked * of_one[length]
    return tokens, float(flops)
