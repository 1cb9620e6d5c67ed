"""stage=augment: rows made from the training rows: some of their words replaced, or new pairs of their texts."""

from pathlib import Path
from typing import Any

from tinydistill.artifacts.files import digest
from tinydistill.artifacts.writer import ArtifactWriter, open_artifact
from tinydistill.augmentation import neighbors
from tinydistill.augmentation.augmenter import Augmenter
from tinydistill.augmentation.rows import Counts, texts_of, write_rows
from tinydistill.augmentation.vectors import read_vectors, vectors_identity
from tinydistill.augmentation.words import Span, read_stop_words
from tinydistill.config.build import data
from tinydistill.config.build.sources import find_masked_lm, find_teacher
from tinydistill.config.build.trainer import frozen_dtype, precision, trainer, tune
from tinydistill.config.compose import plain
from tinydistill.config.dependencies import of_augmented
from tinydistill.config.names import AUGMENTED, augmented_path, output_path
from tinydistill.config.schema import Config
from tinydistill.console import say
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.layout import Layout
from tinydistill.data.tasks.ragged import Ragged
from tinydistill.data.tasks.tables import read_table
from tinydistill.data.tasks.tags import Tags
from tinydistill.errors import UserError
from tinydistill.models.source import Source, longest_input
from tinydistill.ranks import rank
from tinydistill.training import runtime
from tinydistill.training.progress import Progress


def run(config: Config) -> float:
    """Publish the original rows with those made from them; return how many there are."""
    runtime.quiet()
    return _pairs(config) if config.augmentation.method == "neighbors" else _replaced(config)


def _pairs(config: Config) -> float:
    model, rows = find_teacher(config), _rows(config)
    if rows.pairs is None:
        raise UserError(f"augmentation.method=neighbors makes pairs of texts, and task={config.task.name} has none")
    if not data.task(config).target.of_whole_texts:
        raise UserError(
            f"augmentation.method=neighbors makes pairs of any two texts, which are none of task={config.task.name}: "
            "take augmentation.method=masked_lm"
        )
    count = config.augmentation.new_pairs(len(rows))
    settings = of_augmented(config).settings(model=model.identity, texts=rows.text_identity())
    path = output_path(config, augmented_path(config))
    with open_artifact(path, settings, overwrite=config.overwrite, inputs={"model": model.path}) as artifact:
        if artifact.result is not None:
            say("finished before with the same settings")
            return _report(artifact, artifact.result)
        if rank() != 0:
            return float("nan")  # the first of the processes makes them
        tune(config)
        texts = texts_of(rows)
        states = neighbors.mean_states(model.encoder(), model.tokenizer, texts, config.task.max_length)
        near, counts = neighbors.nearest(states, neighbors.NEAR, config.seed), Counts()
        made = neighbors.neighbor_pairs(rows, near, count, config.seed, counts)
        write_rows(artifact.product / AUGMENTED, made, pairs=True, made_from=rows.text_identity(), labeled=False)
        result = counts.summary(len(rows))
        artifact.publish(result, plain(config))
        return _report(artifact, result)


def _replaced(config: Config) -> float:
    options = config.augmentation
    model, rows = find_masked_lm(config), _rows(config)
    kept = _entities(config, rows) if options.keep_entities else None
    stop_words = read_stop_words(options.stop_words)
    vectors = options.word_vectors
    settings = of_augmented(config).settings(
        model=model.identity,
        texts=rows.text_identity(),
        stop_words=digest(sorted(stop_words)),
        word_vectors=None if vectors is None else vectors_identity(Path(vectors)),
    )
    path = output_path(config, augmented_path(config))
    with open_artifact(path, settings, overwrite=config.overwrite, inputs={"model": model.path}) as artifact:
        if artifact.result is not None:
            say("finished before with the same settings")
            return _report(artifact, artifact.result)
        augmenter = Augmenter(
            rows,
            model.tokenizer,
            cache_dir=Path(config.paths.cache),
            identity=model.identity,
            precision=precision(config),
            max_length=min(2 * config.task.max_length, longest_input(model.config)),
            candidates=options.candidates,
            several_pieces=options.several_pieces,  # type: ignore[arg-type]  # one of its choices
            stop_words=stop_words,
            vectors=None if vectors is None else read_vectors(Path(vectors)),
        )
        _ask(config, artifact, model, augmenter)
        if rank() != 0:
            return float("nan")  # the first of the processes does the rest
        result = augmenter.write(
            artifact.product / AUGMENTED,
            model.masked_lm,
            count=options.rows,
            probability=options.probability,
            seed=config.seed,
            kept=kept,
        )
        artifact.publish(result, plain(config))
        return _report(artifact, result)


def _rows(config: Config) -> Split:
    """The task's training rows, or those of the table that takes their place."""
    given, task = config.augmentation.input, config.task
    if given is None:
        return data.training_task(config).train()
    dialect: Any = {"encoding": task.encoding, "quoting": task.quoting, "delimiter": task.delimiter}
    layout = Layout(task.text, task.text_pair, **dialect, dialect="TaskFiles.")
    table = read_table(Path(given), layout, argument="augmentation.input")
    if not len(table):
        raise UserError(f"augmentation.input={given} has no rows")
    return Split("input", table.texts, table.pairs, None)


def _entities(config: Config, rows: Split) -> list[list[Span]]:
    """The characters of the words that are part of entities, of every row."""
    target = data.training_task(config).target
    if not isinstance(target, Tags) or not target.entities or not isinstance(rows.labels, Ragged):
        raise UserError(
            f"augmentation.keep_entities=true, and the rows of task={config.task.name} have no entities: leave it out"
        )
    return target.entity_spans(rows.texts, rows.labels)


def _ask(config: Config, artifact: ArtifactWriter, model: Source, augmenter: Augmenter) -> None:
    """Have the masked LM answer what it hasn't yet."""
    before = f", {1 - augmenter.left:.0%} of them answered before" if augmenter.left < 1 else ""
    say(f"{len(augmenter.questions):,} words in their contexts for the masked LM{before}")
    if not augmenter.left:
        return
    finder = augmenter.finder(
        model.masked_lm(dtype=frozen_dtype(config)),
        batch_size=config.augmentation.batch_size,
        num_workers=config.runtime.num_workers,
    )
    shown = bool(config.trainer.get("enable_progress_bar", True))
    progress = Progress(shown=shown, questions=finder.words_left, unit="word")
    asking = trainer(config, artifact.work, callbacks=[progress], precision="32-true")  # the model has its own
    asking.predict(finder, return_predictions=False)


def _report(artifact: ArtifactWriter, result: dict[str, Any]) -> float:
    say()
    for example in result["examples"]:
        for number, texts in enumerate(example):
            say(("before: " if number == 0 else " after: ") + " | ".join(text for text in texts if text is not None))
    share = result.get("share_replaced")
    replaced = "" if share is None else f"; {share:.0%} of the words that can be replaced are replaced in the new ones"
    each = f"{result['rows_per_source']:.1f} each, itself among them"
    say(f"{result['rows']:,} rows from {result['source_rows']:,} ({each}){replaced}")
    say(f"train on them with stage=task augmentation.path={artifact.path / AUGMENTED}")
    say(f"artifact: {artifact.path}")
    return float(result["rows"])
