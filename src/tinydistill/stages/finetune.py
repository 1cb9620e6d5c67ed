"""stage=finetune: a model learns a task from its labels: the teacher to be distilled, or a student as the baseline."""

from typing import Any

import pytorch_lightning as pl
from transformers import PreTrainedModel

from tinydistill.artifacts.writer import ArtifactWriter, open_artifact
from tinydistill.config.build import data
from tinydistill.config.build.imitation import initialize_new
from tinydistill.config.build.models import layer_mapping, new_student_config
from tinydistill.config.build.sources import check_length, find_student, find_teacher
from tinydistill.config.build.trainer import frozen_dtype, stepping, trainer
from tinydistill.config.compose import plain
from tinydistill.config.dependencies import of_finetuned
from tinydistill.config.names import finetuned_path, output_path
from tinydistill.config.schema import Config
from tinydistill.console import count, duration, say
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.distillation.mapping import layer_similarity
from tinydistill.initialization.start import check_start
from tinydistill.models.heads import add_head
from tinydistill.models.loading import parameters, save_model
from tinydistill.models.source import Source
from tinydistill.models.students import new_student
from tinydistill.ranks import rank
from tinydistill.training import runtime, scoring
from tinydistill.training.checkpoints import last_checkpoint
from tinydistill.training.classifier import Classifier
from tinydistill.training.task_fit import fit_task, watching


def run(config: Config) -> float:
    """Publish a fine-tuned model; return the score that it was chosen by."""
    runtime.quiet()
    given = find_student(config) if config.finetune.model == "student" else None
    new = config.finetune.model == "student" and given is None  # made of the teacher's configuration and tokenizer
    source = given or find_teacher(config)
    if new:
        check_start(new_student_config(config, source.config), source.config, config.student.init)
    check_length(config, source)
    task = data.training_task(config)
    data.scoring(config, task)
    settings = of_finetuned(config).settings(model=source.identity, task=task.identity())
    path = output_path(config, finetuned_path(config, config.finetune.model))
    with open_artifact(path, settings, overwrite=config.overwrite, inputs={"model": source.path}) as artifact:
        if artifact.result is not None:
            say("finished before with the same settings")
            return _report(config, artifact, artifact.result)
        return _report(config, artifact, _train(config, artifact, source, task, new=new))


def _train(config: Config, artifact: ArtifactWriter, source: Source, task: TaskSource, *, new: bool) -> dict[str, Any]:
    options = config.finetune
    scored = data.scoring(config, task)
    rows = data.task_data(config, task, source.tokenizer, batch_size=options.batch_size)
    scoring.announce(config.task.name, rows)
    pl.seed_everything(config.seed, verbose=False)
    train = trainer(
        config,
        artifact.work,
        options,
        epochs=options.run.epochs,
        monitor=scored.monitored,
        mode="max",
        callbacks=watching(artifact.work, scored),
        artifact=artifact,
    )
    encoder = _new_student(config, artifact, source, rows) if new else source.encoder()
    model = add_head(encoder, task.target.labels, seed=config.seed)
    say(f"{options.model} of {count(parameters(model))} parameters")
    module = Classifier(model, scored, learning_rate=options.run.learning_rate, **stepping(config))
    report = fit_task(train, module, rows, checkpoint=last_checkpoint(artifact.work), predictions=artifact.product)
    result = {
        **report,
        **scoring.in_short(scored, report["scores"]),
        "majority": scoring.majority_scores(scored, rows.validation),
        "rows": {split.name: len(split) for split in (rows.train, *rows.validation.values())},
        "parameters": parameters(model),
    }
    if rank() == 0:
        save_model(model, source.tokenizer, artifact.product)
        artifact.keep_logs(artifact.work)
        artifact.publish(result, plain(config))
    return result


def _new_student(config: Config, artifact: ArtifactWriter, source: Source, rows: TaskDataModule) -> PreTrainedModel:
    """A student that starts as the general stage's would; where a run goes on, its checkpoint replaces the weights."""
    student = new_student(new_student_config(config, source.config), config.seed)
    if config.student.init == "random" or last_checkpoint(artifact.work) is not None:
        return student
    teacher = source.encoder(dtype=frozen_dtype(config))
    sample = list(rows.sample_batches(config.general.sample_tokens))
    mapping = layer_mapping(config, student.config, teacher.config, lambda: layer_similarity(teacher, teacher, sample))
    initialize_new(config, student, teacher, mapping, sample)
    return student


def _report(config: Config, artifact: ArtifactWriter, result: dict[str, Any]) -> float:
    say()
    scoring.show(f"{config.finetune.model} on {config.task.name}", result["scores"], result["majority"])
    say(
        f"{count(result['parameters'])} parameters, {result['steps']} steps in {duration(result['seconds'])}; "
        f"the best weights are those of step {result['best_step']}"
    )
    say(f"artifact: {artifact.path}")
    return scoring.merit(result)
