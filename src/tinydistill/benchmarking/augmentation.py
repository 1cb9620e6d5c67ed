"""Rows augmented from the texts to the Parquet file, timed."""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinydistill.augmentation.candidates import CandidateFinder, Shards, WholeWords
from tinydistill.augmentation.contexts import MaskedWords
from tinydistill.augmentation.replacements import Replacements
from tinydistill.augmentation.rows import Counts, augmented_rows, write_rows
from tinydistill.augmentation.words import eligible_words, read_stop_words
from tinydistill.benchmarking.flops import counted
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

    def work(count: int, number: int) -> Augmented:
        some, own = rows.take(order[:count]), copy.deepcopy(model)
        return augment(some, own, tokenizer, make_trainer(), directory / f"augmentation-{number}", **options)

    first = work(FIRST, 0)
    done = work(max(FIRST, round(first.rows * seconds / first.seconds)), 1)
    words = {"words": done.words, "words_per_second": done.words / done.seconds}
    return Piece("augmentation", "row", done.rows, done.seconds, done.flops, float(len(rows)), words)


@dataclass(frozen=True)
class Augmented:
    """What was done: rows read, words asked about, tokens that went through the encoder; how long it took."""

    rows: int
    words: int
    tokens: int
    flops: float
    seconds: float
    processor_seconds: float


def augment(
    rows: Split,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    trainer: pl.Trainer,
    directory: Path,
    *,
    max_length: int = 128,
    count: int = 20,
    probability: float = 0.4,
    candidates: int = 15,
    batch_size: int = 16,
) -> Augmented:
    """Make `count` new rows of each, as stage=augment does; the model is taken apart for it."""
    vocabulary = WholeWords(tokenizer)
    start, used = time.perf_counter(), time.process_time()
    stop_words = read_stop_words(None)
    words = {text: eligible_words(text, stop_words) for text in dict.fromkeys([*rows.texts, *(rows.pairs or ())])}
    questions = MaskedWords(words, tokenizer, max_length=max_length, askable=lambda _: True)
    shards = Shards(directory / "candidates", questions, candidates)
    finder = CandidateFinder(model, vocabulary, shards, batch_size=batch_size, num_workers=0)
    paused, paused_used = time.perf_counter(), time.process_time()
    flops = _flops(finder, questions)
    start, used = start + time.perf_counter() - paused, used + time.process_time() - paused_used
    trainer.predict(finder, return_predictions=False)
    replacements = Replacements(words, questions, shards.collect(), vocabulary, {})
    made = augmented_rows(rows, replacements, count, probability, 0, Counts())
    write_rows(directory / "rows.parquet", made, pairs=rows.pairs is not None, made_from="")
    seconds, processor_seconds = time.perf_counter() - start, time.process_time() - used
    tokens = sum(questions.group(number).inputs["input_ids"].numel() for number in range(len(questions.groups)))
    return Augmented(len(rows), len(questions), tokens, flops, seconds, processor_seconds)


def _flops(finder: CandidateFinder, questions: MaskedWords) -> float:
    """Those of the questions, from one question of every length."""
    of_one: dict[int, int] = {}
    total = 0
    for number in range(len(questions.groups)):
        group = questions.group(number)
        asked, length = group.inputs["input_ids"].shape
        if length not in of_one:
            first = {name: rows[:1] for name, rows in group.inputs.items()}
            with counted() as counter:
                finder.model(first, group.places[:1])
            of_one[length] = counter.get_total_flops()
        total += asked * of_one[length]
    return float(total)
