"""Rows augmented from their texts to a file: a masked LM is asked about every word once, then rows are made."""

import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinydistill.artifacts.files import digest
from tinydistill.augmentation.candidates import CandidateFinder, Shards, WholeWords
from tinydistill.augmentation.contexts import MaskedWords
from tinydistill.augmentation.rows import Choices, Counts, augmented_rows, texts_of, write_rows
from tinydistill.augmentation.vectors import WordVectors, input_embeddings, mean_embeddings
from tinydistill.augmentation.words import ENGLISH, Span, eligible_words
from tinydistill.data.tasks.examples import Split

FORMAT = 2  # part of the key of stored candidates: raise it when the same model and texts give others


class Augmenter:
    """New rows made of a task's, some of their words replaced (TinyBERT, algorithm 1).

    First `finder` answers what `left` says is missing, with any Trainer's `predict`; then `write` makes the rows.

    Args:
        rows: the texts, or pairs of texts.
        tokenizer: of the masked LM.
        cache_dir: where its answers are kept; the same `identity` of the model, precision, texts and settings find them
            again, those of a run that was cut off too.
        max_length: tokens that the masked LM sees at once, the text masked and the text as it is.
        candidates: words that may take a word's place.
        several_pieces: where the candidates of a word of several tokens come from, unless it has a vector: one mask in
            its place, the embeddings of its tokens, or nowhere.
        stop_words: words that stay.
        vectors: of words of several tokens, which take their nearest neighbors in place.
    """

    def __init__(
        self,
        rows: Split,
        tokenizer: PreTrainedTokenizerBase,
        *,
        cache_dir: Path,
        identity: str,
        precision: str = "32",
        max_length: int = 256,
        candidates: int = 15,
        several_pieces: Literal["masked_lm", "embeddings", "keep"] = "masked_lm",
        stop_words: Collection[str] = ENGLISH,
        vectors: WordVectors | None = None,
    ):
        self.rows, self.tokenizer, self.candidates, self.several_pieces = rows, tokenizer, candidates, several_pieces
        self.vectors = vectors or WordVectors({}, torch.zeros(0, 1))
        texts = texts_of(rows)
        self.words = {text: eligible_words(text, stop_words) for text in texts}
        self.vocabulary = WholeWords(tokenizer)
        by_mask = several_pieces == "masked_lm"
        self.questions = MaskedWords(
            self.words, tokenizer, max_length=max_length, askable=lambda word: by_mask and word not in self.vectors.rows
        )
        key = digest([FORMAT, identity, precision, candidates, self.vocabulary.identity(), self.questions.identity()])
        self.shards = Shards(cache_dir / f"candidates-{key}", self.questions, candidates)

    @property
    def left(self) -> float:
        """The share of the questions to the masked LM that has no answer yet."""
        return len(self.shards.left()) / max(len(self.questions.groups), 1)

    def finder(self, model: PreTrainedModel, *, batch_size: int = 16, num_workers: int = 0) -> CandidateFinder:
        """Answers them under `trainer.predict(finder, return_predictions=False)`; the model is taken apart for it."""
        return CandidateFinder(model, self.vocabulary, self.shards, batch_size=batch_size, num_workers=num_workers)

    def replacements(self, load: Callable[[], PreTrainedModel]) -> Callable[[str], Choices]:
        """What can be replaced in a text, all questions being answered; words without candidates are none."""
        neighbors, answers, names = self._neighbors(load), self.shards.collect(), self.vocabulary.words
        ends = np.cumsum([len(spans) for spans in self.words.values()], dtype=np.int64)
        questions_of = dict(zip(self.words, np.split(self.questions.questions, ends[:-1]), strict=True))

        def choices(text: str) -> Choices:
            found: list[tuple[Span, Sequence[str]]] = []
            for span, question in zip(self.words[text], questions_of[text].tolist(), strict=True):
                candidates: Sequence[str] = neighbors.get(text[slice(*span)].lower(), ())
                if question >= 0:
                    candidates = [names[word] for word in answers[question].tolist() if word >= 0]
                if candidates:
                    found.append((span, candidates))
            return Choices(text, [span for span, _ in found], [candidates for _, candidates in found])

        return choices

    def _neighbors(self, load: Callable[[], PreTrainedModel]) -> dict[str, list[str]]:
        """For the words that the masked LM isn't asked about the nearest ones by their vectors."""
        names = (text[start:end].lower() for text, spans in self.words.items() for start, end in spans)
        rest = sorted({word for word, number in zip(names, self.questions.questions, strict=True) if number < 0})
        known = [word for word in rest if word in self.vectors.rows]
        found = self.vectors.nearest(known, self.vectors.of(known), self.candidates)
        rest = [word for word in rest if word not in found]
        if self.several_pieces == "embeddings" and rest:
            model = load()
            mean = mean_embeddings(model, self.tokenizer, rest)
            found |= input_embeddings(model, self.vocabulary).nearest(rest, mean, self.candidates)
        return found

    def write(
        self,
        file: Path,
        load: Callable[[], PreTrainedModel],
        *,
        count: int = 20,
        probability: float = 0.4,
        seed: int = 0,
        kept: Sequence[Sequence[Span]] | None = None,
    ) -> dict[str, Any]:
        """Writes every row and `count` new ones of each text to Parquet; returns what was made.

        Words within the spans that are `kept` of a row stay as they are.

        `load` gives the masked LM in fp32 where embeddings are compared, and isn't called otherwise.
        """
        replacements, counts, start = self.replacements(load), Counts(), time.monotonic()
        made = augmented_rows(self.rows, replacements, count, probability, seed, counts, kept)
        write_rows(file, made, pairs=self.rows.pairs is not None, made_from=self.rows.text_identity())
        return {
            **counts.summary(len(self.rows)),
            "share_replaced": counts.replaced / max(counts.words, 1),
            "seconds": round(time.monotonic() - start, 1),
        }
