"""stage=finetune: a model learns a task from its labels: the teacher to be distilled, or a student as the baseline."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Timer
from transformers import PreTrainedModel

from tinydistill import heads, models
from tinydistill.artifacts import Claim, claim
from tinydistill.console import count, duration, say
from tinydistill.data.task_sources import TaskSource
from tinydistill.data.tasks import TaskDataModule
from tinydistill.stages import inputs, parts, scoring
from tinydistill.stages.lookup import Source, Values, find, find_teacher, finetuned_words, output_path
from tinydistill.training import runtime
from tinydistill.training.classifier import BestWeights, Classifier
from tinydistill.training.optimisation import Optimisation


def run(values: Values) -> float:
    """Publishes a fine-tuned model; returns the monitored score."""
    runtime.quiet()
    options = values["finetune"]
    student = options["model"] == "student"
    new = student and values["student"]["path"] is None  # made of the teacher's configuration and tokenizer
    source = find(values["student"]["path"], "student.path") if student and not new else find_teacher(values)
    if new:
        parts.check_start(values, parts.new_student_config(values, source.config), source.config)
    scoring.check_length(values, source)
    task = inputs.task(values)
    scoring.scoring(values, task)
    settings = {
        "seed": values["seed"],
        "weights": source.identity,
        "student": _start(values) if new else None,
        "task": scoring.settings(values, task),
        "finetune": {**_shared(options), **options[options["model"]]},
    }
    path = output_path(values, *finetuned_words(values, options["model"]))
    with claim(path, settings, overwrite=values["overwrite"]) as place:
        if place.result is not None:
            say("finished before with the same settings")
            return _report(values, place, place.result)
        return _report(values, place, _train(values, place, source, task, new=new))


def _start(values: Values) -> Values:
    """What makes a difference to the first weights of a new student."""
    shared = {"mapping": values["mapping"], "sample_tokens": values["general"]["sample_tokens"]}
    return values["student"] | ({} if values["student"]["init"] == "random" else shared)


def _shared(options: Values) -> Values:
    return {name: value for name, value in options.items() if name not in ("teacher", "student")}


def _train(values: Values, place: Claim, source: Source, task: TaskSource, *, new: bool) -> dict[str, Any]:
    options = values["finetune"]
    run_options = options[options["model"]]
    pl.seed_everything(values["seed"], verbose=False)
    scored = scoring.scoring(values, task)
    timer, best = Timer(), BestWeights(scored.monitored)
    accumulate = options["accumulate"]
    trainer = parts.trainer(values, place.work, clip=options["clip"], accumulate=accumulate, callbacks=[timer, best])
    data = scoring.task_data(
        values,
        task,
        source,
        batch_size=options["batch_size"],
        epochs=run_options["epochs"],
        accumulate=accumulate,
    )
    data.trainer = trainer  # the number of steps depends on the number of devices
    trainer.val_check_interval = data.batches_per_epoch  # what is chosen must not depend on conf/trainer
    scoring.announce(values["task"]["name"], data)
    checkpoint = runtime.last_checkpoint(place.work)
    encoder = _new_student(values, source, data, trained=checkpoint is not None) if new else _loaded(source)
    model = heads.add_head(encoder, task.target.labels, seed=values["seed"])
    optimisation = Optimisation(
        data.total_steps, run_options["learning_rate"], options["warmup"], options["weight_decay"]
    )
    classifier = Classifier(model, optimisation, scored)
    say(
        f"{options['model']} of {count(models.parameters(model))} parameters; {data.total_steps} steps, "
        f"{data.batches_per_epoch} batches of {options['batch_size']} rows an epoch"
    )
    if checkpoint:
        say(f"going on from {checkpoint}")
    trainer.fit(classifier, datamodule=data, ckpt_path=checkpoint)
    best.restore(classifier)
    scores = scoring.validate(trainer, classifier, data)
    result = {
        "scores": scores,
        "majority": scoring.majority_scores(scored, data.validation),
        "monitor": scored.monitored,
        "score": scores[scored.splits[0]][scored.monitor],
        "rows": {split.name: len(split) for split in (data.train, *data.validation.values())},
        "steps": data.total_steps,
        "best_step": best.step,
        "seconds": round(timer.time_elapsed("train"), 1),
        "parameters": models.parameters(model),
    }
    if trainer.is_global_zero:
        models.save_classifier(model, source.tokenizer, place.product)
        place.keep_logs(place.work)
        place.publish(result, values)
    runtime.finish(trainer)
    return result


def _loaded(source: Source) -> PreTrainedModel:
    return models.load_encoder(source.path, revision=source.revision, override=source.override)


def _new_student(values: Values, teacher_source: Source, data: TaskDataModule, *, trained: bool) -> PreTrainedModel:
    """A student that starts as the general stage's would; `trained` when a checkpoint replaces its weights anyway."""
    config = parts.new_student_config(values, teacher_source.config)
    student = models.new_student(config, values["seed"])
    if trained or values["student"]["init"] == "random":
        return student
    teacher = parts.teacher(values, teacher_source)
    sample = scoring.sample_batches(data, values["general"]["sample_tokens"])
    layer_mapping = parts.chosen_mapping(values, config, None, teacher, sample)
    parts.first_weights(values, student, teacher, layer_mapping, sample)
    return student


def _report(values: Values, place: Claim, result: dict[str, Any]) -> float:
    say()
    scoring.show(f"{values['finetune']['model']} on {values['task']['name']}", result["scores"], result["majority"])
    say(
        f"{count(result['parameters'])} parameters, {result['steps']} steps in {duration(result['seconds'])}; "
        f"the best weights are those of step {result['best_step']}"
    )
    say(f"artifact: {place.path}")
    return float("nan") if result["score"] is None else float(result["score"])
