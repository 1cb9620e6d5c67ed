"""stage=augment: rows made from the training rows, some of their words replaced."""

import time
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from tinydistill.artifacts.writer import ArtifactWriter, file_hash, open_artifact
from tinydistill.augmentation import vectors
from tinydistill.augmentation.candidates import CandidateFinder, Shards, WholeWords
from tinydistill.augmentation.contexts import MaskedWords
from tinydistill.augmentation.replacements import Replacements
from tinydistill.augmentation.rows import Counts, augmented_rows, write_rows
from tinydistill.augmentation.vectors import WordVectors
from tinydistill.augmentation.words import Spans, eligible_words, read_stop_words
from tinydistill.config.build import data as inputs
from tinydistill.config.build import training as trainers
from tinydistill.config.build.sources import (
    AUGMENTED,
    Source,
    Values,
    augmented_path,
    find_masked_lm,
    longest_input,
    output_path,
)
from tinydistill.console import say
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.tables import Columns, Dialect, read_table
from tinydistill.data.text.blocks import digest
from tinydistill.errors import UserError
from tinydistill.models.masked_lm import load_masked_lm
from tinydistill.ranks import rank
from tinydistill.training import runtime
from tinydistill.training.progress import PredictionProgress

FORMAT = 2  # part of the key of stored candidates: raise it when the same model and texts give others


def run(values: Values) -> float:
    """Publishes the original rows with those made from them; returns how many there are."""
    runtime.quiet()
    options = values["augmentation"]
    model, rows = find_masked_lm(values), _rows(values)
    stop_words = read_stop_words(options["stop_words"])
    settings = {
        "seed": values["seed"],
        "model": model.identity,
        "texts": rows.text_identity(),
        "max_length": values["task"]["max_length"],
        "stop_words": digest(sorted(stop_words)),
        "word_vectors": _hash(options["word_vectors"]),
        **{name: options[name] for name in ("rows", "probability", "candidates", "several_pieces")},
    }
    with open_artifact(output_path(values, augmented_path(values)), settings, overwrite=values["overwrite"]) as place:
        if place.result is not None:
            say("finished before with the same settings")
            return _report(place, place.result)
        words = {text: eligible_words(text, stop_words) for text in dict.fromkeys([*rows.texts, *(rows.pairs or ())])}
        path = options["word_vectors"]
        known = WordVectors.none() if path is None else vectors.read_vectors(Path(path))
        vocabulary = WholeWords(model.tokenizer)
        shards = _shards(values, model, words, vocabulary, known)
        _ask(values, place, model, vocabulary, shards)
        if rank() != 0:
            return float("nan")  # the first of the processes does the rest
        neighbours = _neighbours(values, model, words, vocabulary, known, shards.questions)
        replacements = Replacements(words, shards.questions, shards.collect(), vocabulary, neighbours)
        return _report(place, _augment(values, place, rows, replacements))


def _rows(values: Values) -> Split:
    """The task's training rows, or those of the table that takes their place."""
    given, task = values["augmentation"]["input"], values["task"]
    if given is None:
        return inputs.task(values).train()
    columns = Columns(task["text"], task["text_pair"])
    dialect = Dialect(task["encoding"], task["quoting"])
    table = read_table(Path(given), columns, option="augmentation.input", dialect=dialect)
    if not len(table):
        raise UserError(f"augmentation.input={given} has no rows")
    return Split("input", table.texts, table.pairs, None)


def _hash(path: str | None) -> str | None:
    if path is not None and not Path(path).is_file():
        raise UserError(f"augmentation.word_vectors={path}: there is no such file")
    return None if path is None else file_hash(Path(path))


def _shards(values: Values, model: Source, words: Spans, vocabulary: WholeWords, known: WordVectors) -> Shards:
    """The questions to the masked LM, and what it has answered of them before."""
    options, by_mask = values["augmentation"], values["augmentation"]["several_pieces"] == "masked_lm"
    questions = MaskedWords(
        words,
        model.tokenizer,
        max_length=min(2 * values["task"]["max_length"], longest_input(model.config)),
        askable=lambda word: by_mask and word not in known.rows,
    )
    key = [FORMAT, model.identity, trainers.precision(values), options["candidates"], vocabulary.identity()]
    entry = Path(values["paths"]["cache"]) / f"candidates-{digest([*key, questions.identity()])}"
    return Shards(entry, questions, options["candidates"])


def _ask(values: Values, place: ArtifactWriter, source: Source, vocabulary: WholeWords, shards: Shards) -> None:
    """Has the masked LM answer what it hasn't yet."""
    groups, left = len(shards.questions.groups), len(shards.left())
    before = f", {1 - left / groups:.0%} of them answered before" if left < groups else ""
    say(f"{len(shards.questions):,} words in their contexts for the masked LM{before}")
    if not left:
        return
    model = _load(source, trainers.frozen_dtype(values))
    batch_size, workers = values["augmentation"]["batch_size"], values["trainer"]["workers"]
    finder = CandidateFinder(model, vocabulary, shards, batch_size=batch_size, workers=workers)
    trainer = runtime.build_trainer(
        directory=place.work,
        loggers=[],
        options={**values["trainer"], "precision": "32"},  # the model has its own
        clip=0,
        accumulate=1,
        callbacks=[PredictionProgress(finder.words_left, "word", shown=values["trainer"]["progress"])],
    )
    trainer.predict(finder, return_predictions=False)


def _neighbours(
    values: Values,
    source: Source,
    words: Spans,
    vocabulary: WholeWords,
    known: WordVectors,
    questions: MaskedWords,
) -> dict[str, list[str]]:
    """For the words that the masked LM isn't asked about the nearest ones by their vectors."""
    options = values["augmentation"]
    names = (text[start:end].lower() for text, spans in words.items() for start, end in spans)
    rest = sorted({word for word, number in zip(names, questions.questions, strict=True) if number < 0})
    there = [word for word in rest if word in known.rows]
    found = known.nearest(there, known.of(there), options["candidates"])
    rest = [word for word in rest if word not in found]
    if options["several_pieces"] == "embeddings" and rest:
        model = _load(source, torch.float32)
        mean = vectors.mean_embeddings(model, source.tokenizer, rest)
        found |= vectors.input_embeddings(model, vocabulary).nearest(rest, mean, options["candidates"])
    return found


def _load(source: Source, dtype: torch.dtype) -> PreTrainedModel:
    return load_masked_lm(source.path, revision=source.revision, dtype=dtype, override=source.override)


def _augment(values: Values, place: ArtifactWriter, rows: Split, replacements: Replacements) -> dict[str, Any]:
    options, counts, start = values["augmentation"], Counts(), time.monotonic()
    made = augmented_rows(rows, replacements, options["rows"], options["probability"], values["seed"], counts)
    write_rows(place.product / AUGMENTED, made, pairs=rows.pairs is not None, made_from=rows.text_identity())
    result = {
        "rows": counts.rows,
        "source_rows": len(rows),
        "rows_per_source": counts.rows / len(rows),
        "share_replaced": counts.replaced / max(counts.words, 1),
        "examples": [[[row.text, row.pair] for row in example[:3]] for example in counts.examples],
        "seconds": round(time.monotonic() - start, 1),
    }
    place.publish(result, values)
    return result


def _report(place: ArtifactWriter, result: dict[str, Any]) -> float:
    say()
    for example in result["examples"]:
        for number, texts in enumerate(example):
            say(("before: " if number == 0 else " after: ") + " | ".join(text for text in texts if text is not None))
    say(
        f"{result['rows']:,} rows from {result['source_rows']:,} ({result['rows_per_source']:.1f} each, itself among "
        f"them); {result['share_replaced']:.0%} of the words that can be replaced are replaced in the new ones"
    )
    say(f"train on them with stage=task augmentation.path={place.path / AUGMENTED}")
    say(f"artifact: {place.path}")
    return float(result["rows"])
