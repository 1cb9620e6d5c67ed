"""stage=pretrain: an encoder becomes a masked language model of plain text, or a better one of a user's own text."""

import math
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Timer
from transformers import PreTrainedModel

from tinydistill.artifacts import inputs as lineage
from tinydistill.artifacts.writer import ArtifactWriter, open_artifact, read_json, write_json
from tinydistill.config.build import data as inputs
from tinydistill.config.build import training as trainers
from tinydistill.config.build.sources import Source, Values, find_teacher, longest_input, output_path, pretrained_path
from tinydistill.console import count, duration, say, table
from tinydistill.data.loading import BatchLoader
from tinydistill.data.text import masking
from tinydistill.data.text.datamodule import TextDataModule
from tinydistill.data.text.masking import MaskingVocabulary, Rules
from tinydistill.data.text.sources import Corpus
from tinydistill.errors import UserError
from tinydistill.models import loading as models
from tinydistill.models.masked_lm import load_or_add_head, start_bias
from tinydistill.training import masked_examples as cloze
from tinydistill.training import plan as plans
from tinydistill.training import runtime
from tinydistill.training.masked_lm import BEST, MaskedLanguageModel, set_dropout

_HELD_OUT = 1  # the key of its random numbers


def run(values: Values) -> float:
    """Publishes a masked language model; returns the held-out loss."""
    runtime.quiet()
    options = values["pretrain"]
    teacher = find_teacher(values)
    longest = longest_input(teacher.config)
    if options["max_length"] > longest:
        raise UserError(f"pretrain.max_length={options['max_length']} is too long: the model ends at {longest}")
    pieces = masking.vocabulary(
        teacher.tokenizer,
        teacher.config.vocab_size,
        whole_words=options["whole_words"],
        override=f"teacher.path={values['teacher']['path']}",
    )
    corpus = inputs.corpus(values)
    settings = {
        "seed": values["seed"],
        "teacher": teacher.identity,
        "corpus": corpus.identity(),
        "pretrain": options,
        **inputs.debugged(values),
    }
    path = output_path(values, pretrained_path(values))
    with open_artifact(path, settings, overwrite=values["overwrite"]) as place:
        if place.result is not None:
            say("finished before with the same settings")
            return _report(place, place.result)
        lineage.record(place, [teacher.path])
        return _report(place, _train(values, place, teacher, corpus, pieces))


def _train(
    values: Values, place: ArtifactWriter, source: Source, corpus: Corpus, pieces: MaskingVocabulary
) -> dict[str, Any]:
    options = values["pretrain"]
    pl.seed_everything(values["seed"], verbose=False)
    timer = Timer()
    trainer = trainers.trainer(values, place.work, options, callbacks=[timer])
    data = inputs.blocks(values, "pretrain", corpus, source.tokenizer)
    data.trainer = trainer  # the number of steps depends on the number of devices
    inputs.announce(data)
    model, kept = load_or_add_head(source.path, revision=source.revision, seed=values["seed"], override=source.override)
    rules = Rules(options["masked_share"], options["as_mask"], options["as_random"])
    heldout = _heldout(data, pieces, options["masked_share"])
    say("masked, it reads:")
    say(f"  {source.tokenizer.decode(next(iter(heldout))['input_ids'][0])[:160]}…")
    say(f"{count(models.parameters(model))} parameters")
    checkpoint = runtime.last_checkpoint(place.work)
    started: dict[str, Any] = read_json(place.work / "start.json") if checkpoint else {}
    if not checkpoint:
        say(f"head: {'kept' if kept else _start_head(model, data, options['sample_tokens'])}")

    set_dropout(model, options["dropout"])
    optimisation = trainers.optimisation(options, data.total_steps)
    module = MaskedLanguageModel(model, optimisation, pieces, rules, seed=values["seed"])
    if not started:
        started = _validate(trainer, module, heldout)
        if trainer.is_global_zero:
            write_json(place.work / "start.json", started)
    plans.announce(data)
    if checkpoint:
        say(f"going on from {checkpoint}")
    trainer.fit(module, data.train_dataloader(), heldout, ckpt_path=checkpoint)
    after = _validate(trainer, module, heldout)
    result = {
        "heldout_loss": after["loss"],
        "before": started,
        "after": after,
        "head": "kept" if kept else "new",
        "cloze": cloze.examples(model.eval(), source.tokenizer, data.blocks.heldout),
        "steps": data.total_steps,
        "tokens": data.total_steps * data.blocks_in_step * options["max_length"],
        "seconds": round(timer.time_elapsed("train"), 1),
        "parameters": models.parameters(model),
    }
    if trainer.is_global_zero:
        models.save_masked_lm(model, source.tokenizer, place.product)
        place.keep_logs(place.work)
        place.publish(result, values)
    runtime.finish(trainer)
    return result


def _heldout(data: TextDataModule, pieces: MaskingVocabulary, share: float) -> BatchLoader:
    """The held-out blocks, masked the same in every run: all that is asked for is the mask token."""
    blocks = data.blocks.heldout
    return BatchLoader(
        masking.MaskedBlocks(blocks, len(blocks), pieces, Rules(share), _HELD_OUT), data.val_dataloader().order
    )


def _start_head(model: PreTrainedModel, data: TextDataModule, pieces: int) -> str:
    """Gives a new head its first bias, and says how it starts."""
    counted = start_bias(model, (batch["input_ids"] for batch in data.sample_batches(pieces)))
    return f"new, its bias from the frequencies of {count(pieces)} word pieces" if counted else "new, at random"


def _validate(trainer: pl.Trainer, module: MaskedLanguageModel, heldout: BatchLoader) -> dict[str, float]:
    (metrics,) = trainer.validate(module, heldout, verbose=False)
    return {name.removeprefix("heldout/"): float(value) for name, value in metrics.items()}


def _report(place: ArtifactWriter, result: dict[str, Any]) -> float:
    before, after = result["before"], result["after"]
    say()
    table(
        "held-out text",
        ("", "before", "after"),
        [
            ("loss", before["loss"], after["loss"]),
            ("perplexity", *(f"{math.exp(scores['loss']):,.1f}" for scores in (before, after))),
            ("masked pieces told right", *(f"{scores['top1']:.1%}" for scores in (before, after))),
            (f"among the {BEST} likeliest", *(f"{scores['top5']:.1%}" for scores in (before, after))),
        ],
    )
    cloze.show(result["cloze"])
    say(
        f"{result['steps']} steps, {count(result['tokens'])} word pieces in {duration(result['seconds'])} "
        f"({result['tokens'] / max(result['seconds'], 1e-9):,.0f} a second)"
    )
    say(f"artifact: {place.path}")
    return float(result["heldout_loss"])
