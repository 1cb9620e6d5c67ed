"""Text, as it is and in blocks, and labeled rows that a configuration names."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from transformers import PretrainedConfig, PreTrainedTokenizerBase

from tinydistill.config.build.nodes import built
from tinydistill.config.schema import Config
from tinydistill.config.schema.stages import OnText
from tinydistill.console import count, say
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.tasks.own_rows import OwnRows
from tinydistill.data.tasks.sources import SomeRows, TaskSource, WithSelection
from tinydistill.data.text.datamodule import MaskedTextDataModule, TextDataModule
from tinydistill.data.text.masking import MaskingVocabulary
from tinydistill.data.text.sources import Corpus
from tinydistill.training.classifier import Scoring
from tinydistill.training.scoring import make_scoring


def corpus(config: Config) -> Corpus:
    """The text that conf/corpus names."""
    node = {name: value for name, value in config.corpus.items() if name != "name"}
    return built("corpus", node, Corpus)  # type: ignore[type-abstract]


def text_data(config: Config, options: OnText, text: Corpus, tokenizer: PreTrainedTokenizerBase) -> TextDataModule:
    """The text in blocks, as the options of the stage have it."""
    return TextDataModule(text, tokenizer, **_blocks(config, options))


def masked_text_data(
    config: Config, text: Corpus, tokenizer: PreTrainedTokenizerBase, vocabulary: MaskingVocabulary
) -> MaskedTextDataModule:
    """The text in blocks that a masked language model trains on, as conf/pretrain has it."""
    options = config.pretrain
    return MaskedTextDataModule(
        text, tokenizer, vocabulary=vocabulary, masked_share=options.masked_share, **_blocks(config, options)
    )


def _blocks(config: Config, options: OnText) -> dict[str, Any]:
    return {
        "max_length": options.max_length,
        "batch_size": options.batch_size,
        "heldout_fraction": options.heldout_fraction,
        "heldout_blocks": options.heldout_blocks,
        "seed": config.seed,
        "cache_dir": Path(config.paths.cache),
        "num_workers": config.runtime.num_workers,
    }


def task(config: Config) -> TaskSource:
    """The labeled rows that conf/task names, or as many of them as it asks for, in its own splits: what is scored."""
    options = config.task
    source = built("task.source", options.source, TaskSource)  # type: ignore[type-abstract]
    if options.train_share == 1 and options.max_rows is None:
        return source
    return SomeRows(source, options.train_share, options.split_seed, rows=options.max_rows)


def task_of_model(config: Config, model: PretrainedConfig) -> TaskSource:
    """The same for a model that knows the task: without training rows it predicts what the model calls its outputs."""
    source = task(config)
    inner = source.source if isinstance(source, SomeRows) else source
    if not isinstance(inner, OwnRows) or inner.rows["train"] is not None or inner.labels:
        return source
    names = tuple(str(model.id2label[number]) for number in sorted(model.id2label))
    named = inner.predicting(inner.target_named(names if len(names) > 1 else ()))
    return replace(source, source=named) if isinstance(source, SomeRows) else named


def training_task(config: Config) -> TaskSource:
    """The same as it is learned: with training rows kept aside to choose by, where conf/task asks for it."""
    options, source = config.task, task(config)
    return WithSelection(source, options.selection_rows, options.split_seed) if options.selection_rows else source


def task_data(
    config: Config,
    source: TaskSource,
    tokenizer: PreTrainedTokenizerBase,
    *,
    batch_size: int,
    distilled: bool = False,
) -> TaskDataModule:
    """The task's rows as a tokenizer cuts them; those that a student is `distilled` on may be augmented, and more."""
    return TaskDataModule(
        source,
        tokenizer,
        max_length=config.task.max_length,
        batch_size=batch_size,
        seed=config.seed,
        cache_dir=Path(config.paths.cache),
        augmentation=config.augmentation.path if distilled else None,
        unlabeled=config.task.unlabeled if distilled else None,
        num_workers=config.runtime.num_workers,
    )


def scoring(config: Config, source: TaskSource) -> Scoring:
    """How conf/task says that a task is scored. Raises InputError where that doesn't fit what is predicted."""
    options = config.task
    return make_scoring(
        source.target,
        source.validation(),
        monitor=options.monitor,
        metrics=options.metrics,
        losses=asdict(config.prediction.embedding),
    )


def announce(text: TextDataModule) -> None:
    """Says what text there is, and what it reads like."""
    summary = text.blocks.summary
    say(
        f"corpus {count(summary['documents'])} documents, {count(summary['pieces'])} tokens; "
        f"{summary['heldout_blocks']} blocks of {text.max_length} held out; it reads:"
    )
    sample = next(text.sample_batches(1))["input_ids"][0]
    say(f"  {text.tokenizer.decode(sample)[:160]}…")
