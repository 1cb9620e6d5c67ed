"""stage=pretrain: an encoder becomes a masked language model of plain text, or a better one of a user's own text."""

import math
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from transformers import PreTrainedModel

from tinydistill.artifacts.files import kept, write_sealed
from tinydistill.artifacts.writer import ArtifactWriter, open_artifact
from tinydistill.config.build import data
from tinydistill.config.build.sources import check_positions, find_teacher
from tinydistill.config.build.trainer import stepping, text_trainer
from tinydistill.config.compose import plain
from tinydistill.config.dependencies import of_pretrained
from tinydistill.config.names import output_path, pretrained_path
from tinydistill.config.schema import Config
from tinydistill.console import count, duration, say, table
from tinydistill.data.text import masking
from tinydistill.data.text.datamodule import MaskedTextDataModule
from tinydistill.data.text.masking import MaskingVocabulary, Rules
from tinydistill.data.text.sources import Corpus
from tinydistill.models.loading import parameters, save_model
from tinydistill.models.masked_lm import load_or_add_head, start_bias
from tinydistill.models.source import Source
from tinydistill.training import dashboards, masked_examples, runtime
from tinydistill.training.checkpoints import last_checkpoint
from tinydistill.training.finite_steps import finite_losses
from tinydistill.training.masked_lm import BEST, MaskedLanguageModel, set_dropout
from tinydistill.training.runtime import training_seconds


def run(config: Config) -> float:
    """Publish a masked language model; return the held-out loss."""
    runtime.quiet()
    teacher = find_teacher(config)
    check_positions("pretrain.max_length", [config.pretrain.max_length], teacher)
    vocabulary = masking.vocabulary(
        teacher.tokenizer, teacher.config.vocab_size, whole_words=config.pretrain.whole_words, called="teacher.path"
    )
    corpus = data.corpus(config)
    settings = of_pretrained(config).settings(teacher=teacher.identity, corpus=corpus.identity())
    path = output_path(config, pretrained_path(config))
    with open_artifact(path, settings, overwrite=config.overwrite, inputs={"teacher": teacher.path}) as artifact:
        if artifact.result is not None:
            say("finished before with the same settings")
            return _report(artifact, artifact.result)
        return _report(artifact, _train(config, artifact, teacher, corpus, vocabulary))


def _train(
    config: Config, artifact: ArtifactWriter, source: Source, corpus: Corpus, vocabulary: MaskingVocabulary
) -> dict[str, Any]:
    options = config.pretrain
    pl.seed_everything(config.seed, verbose=False)
    train = text_trainer(config, artifact, options)
    text = data.masked_text_data(config, corpus, source.tokenizer, vocabulary)
    data.announce(text)
    model, kept = load_or_add_head(source.path, seed=config.seed, revision=source.revision, called=source.called)
    say("masked, it reads:")
    say(f"  {source.tokenizer.decode(next(iter(text.val_dataloader()))['input_ids'][0])[:160]}…")
    say(f"{count(parameters(model))} parameters")
    checkpoint = last_checkpoint(artifact.work)
    if not checkpoint:
        say(f"head: {'kept' if kept else _start_head(model, text, options.sample_tokens)}")
    set_dropout(model, options.dropout)
    rules = Rules(options.masked_share, options.as_mask, options.as_random)
    module = MaskedLanguageModel(
        model, vocabulary, rules, seed=config.seed, learning_rate=options.learning_rate, **stepping(config)
    )
    before = _before(train, module, text, artifact.work / "start.json", resumed=checkpoint is not None)
    if checkpoint:
        say(f"going on from {checkpoint}")
    train.fit(module, datamodule=text, ckpt_path=checkpoint, weights_only=True)
    steps, seconds = train.global_step, training_seconds(train)
    after = _validate(train, module, text)
    result = {
        "heldout_loss": after["loss"],
        "before": before,
        "after": after,
        "head": "kept" if kept else "new",
        "cloze": masked_examples.examples(model.eval(), source.tokenizer, text.blocks.heldout),
        "steps": steps,
        "tokens": steps * text.blocks_in_step * options.max_length,
        "seconds": seconds,
        "parameters": parameters(model),
    }
    if train.is_global_zero:
        save_model(model, source.tokenizer, artifact.product)
        artifact.keep_logs(artifact.work)
        artifact.publish(result, plain(config))
    dashboards.finish(train.loggers)
    return result


def _before(
    train: pl.Trainer, module: MaskedLanguageModel, text: MaskedTextDataModule, file: Path, *, resumed: bool
) -> dict[str, float]:
    """The scores before training, which a run that goes on finds in a file."""
    if resumed and (stored := kept(file, "the model is measured as it is now")):
        return stored
    found = _validate(train, module, text)
    if train.is_global_zero:
        write_sealed(file, found)
    return found


def _start_head(model: PreTrainedModel, text: MaskedTextDataModule, tokens: int) -> str:
    """Give a new head its first bias, and say how it starts."""
    counted = start_bias(model, (batch["input_ids"] for batch in text.sample_batches(tokens)))
    return f"new, its bias from the frequencies of {count(tokens)} tokens" if counted else "new, at random"


def _validate(train: pl.Trainer, module: MaskedLanguageModel, text: MaskedTextDataModule) -> dict[str, float]:
    (metrics,) = train.validate(module, text.val_dataloader(), verbose=False)
    return {name.removeprefix("heldout/"): value for name, value in finite_losses(metrics).items()}


def _report(artifact: ArtifactWriter, result: dict[str, Any]) -> float:
    before, after = result["before"], result["after"]
    say()
    table(
        "held-out text",
        ("", "before", "after"),
        [
            ("loss", before["loss"], after["loss"]),
            ("perplexity", *(f"{math.exp(scores['loss']):,.1f}" for scores in (before, after))),
            ("masked-token accuracy", *(f"{scores['top1']:.1%}" for scores in (before, after))),
            (f"among the {BEST} likeliest", *(f"{scores['top5']:.1%}" for scores in (before, after))),
        ],
    )
    masked_examples.show(result["cloze"])
    say(
        f"{result['steps']} steps, {count(result['tokens'])} tokens in {duration(result['seconds'])} "
        f"({result['tokens'] / max(result['seconds'], 1e-9):,.0f} a second)"
    )
    say(f"artifact: {artifact.path}")
    return float(result["heldout_loss"])
