"""stage=finetune: a model learns a task from its labels: the teacher to be distilled, or a student as the baseline."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from transformers import PreTrainedModel

from tinydistill.artifacts.writer import ArtifactWriter, open_artifact
from tinydistill.config.build import data, vocabulary
from tinydistill.config.build.imitation import new_encoder
from tinydistill.config.build.models import new_student_config
from tinydistill.config.build.sources import check_length, find_student, find_teacher, learns_from_labels
from tinydistill.config.build.trainer import frozen_dtype, stepping, trainer
from tinydistill.config.compose import plain
from tinydistill.config.dependencies import of_finetuned
from tinydistill.config.names import finetuned_path, output_path
from tinydistill.config.schema import Config
from tinydistill.console import count, duration, say
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.errors import UserError
from tinydistill.initialization.start import check_start
from tinydistill.models.heads import add_head
from tinydistill.models.loading import parameters, save_model
from tinydistill.models.source import Source
from tinydistill.models.students import new_student
from tinydistill.ranks import rank
from tinydistill.training import runtime, scoring, trials
from tinydistill.training.checkpoints import last_checkpoint
from tinydistill.training.classifier import Classifier, Scoring
from tinydistill.training.once import once
from tinydistill.training.prediction_files import PREDICTIONS
from tinydistill.training.task_fit import fit_task, watching


def run(config: Config) -> float:
    """Publish a fine-tuned model; return the score that it was chosen by."""
    runtime.quiet()
    if not learns_from_labels(config):
        raise UserError(
            f"task={config.task.name} has no labels to learn from: its teacher is taken as it is, with stage=task or "
            "stage=pipeline"
        )
    given = find_student(config) if config.finetune.model == "student" else None
    new = config.finetune.model == "student" and given is None  # made of the teacher's configuration and tokenizer
    source = given or find_teacher(config)
    if new:
        check_start(new_student_config(config, source.config), source.config, config.student.init)
        vocabulary.check(config, source)
    check_length(config, source)
    task = data.training_task(config)
    data.scoring(config, task)
    corpus = data.corpus(config) if new and vocabulary.is_cut(config) else None
    settings = of_finetuned(config).settings(
        model=source.identity, task=task.identity(), **({} if corpus is None else {"corpus": corpus.identity()})
    )
    path = output_path(config, finetuned_path(config, config.finetune.model))
    with open_artifact(path, settings, overwrite=config.overwrite, inputs={"model": source.path}) as artifact:
        if artifact.result is not None:
            say("finished before with the same settings")
            return _report(config, artifact, artifact.result)
        if corpus is not None:
            source = vocabulary.of_task(config, source, task, corpus, distilled=False)
        return _report(config, artifact, _train(config, artifact, source, task, new=new))


def _train(config: Config, artifact: ArtifactWriter, source: Source, task: TaskSource, *, new: bool) -> dict[str, Any]:
    scored = data.scoring(config, task)
    rows = data.task_data(config, task, source.tokenizer, batch_size=config.finetune.batch_size)
    scoring.announce(config.task.name, rows)
    made, tried = _Training(config, artifact, source, scored, rows, new).at_best_rate()
    result = {
        **made.report,
        **scoring.in_short(scored, made.report["scores"]),
        "learning_rate": made.rate,
        "trials": tried,
        "majority": scoring.majority_scores(scored),
        "rows": {split.name: len(split) for split in (rows.train, *rows.validation.values())},
        "parameters": parameters(made.model),
    }
    if rank() == 0:
        save_model(made.model, source.tokenizer, artifact.product, max_length=config.task.max_length)
        artifact.keep_logs(made.directory)
        artifact.keep(made.directory / PREDICTIONS)
        artifact.publish(result, plain(config))
    return result


@dataclass(frozen=True)
class _Trained:
    """A model as it was trained at a rate, with its report and where it was made."""

    model: PreTrainedModel
    report: dict[str, Any]
    rate: float
    directory: Path


@dataclass(frozen=True)
class _Training:
    """How the model is trained: at the one rate that there is, or at each of several in a directory of its own."""

    config: Config
    artifact: ArtifactWriter
    source: Source
    scored: Scoring
    rows: TaskDataModule
    new: bool

    def at_best_rate(self) -> tuple[_Trained, list[trials.Trial]]:
        """The model at the rate with the best selection score, and the trials; none where there is but one rate."""
        rates, place = self.config.finetune.rates, self.artifact.work
        if len(rates) == 1:
            return self._at(rates[0], place), []
        short = len(self.rows.train) > self.config.finetune.teacher.trial_rows
        tried: list[trials.Trial] = []
        best: _Trained | None = None
        for rate in rates:
            say()
            say(f"learning rate {rate:g}" + (", a tenth of the steps" if short else ""))
            one = self._at(rate, place / f"{self.artifact.path.name}-{rate:g}", trial=True, short=short)
            tried.append(trials.trial(rate, one.report, self.scored))
            if trials.best(tried) == len(tried) - 1:
                best = one
        assert best is not None
        say()
        say(f"learning rate {best.rate:g} has the best {self.scored.monitored}")
        return self._at(best.rate, place) if short else best, tried

    def _at(self, rate: float, directory: Path, *, trial: bool = False, short: bool = False) -> _Trained:
        config, run = self.config, self.config.finetune.run
        pl.seed_everything(config.seed, verbose=False)
        model = add_head(self._encoder(directory), self.scored.kind.head, seed=config.seed)
        epochs = run.passes(len(self.rows.train))
        limits: dict[str, Any] = {}
        if short:
            epochs, limits["limit_train_batches"] = trials.shortened(epochs, len(self.rows.order()))

        def train() -> dict[str, Any]:
            say(f"{config.finetune.model} of {count(parameters(model))} parameters")
            fitting = trainer(
                config,
                directory,
                config.finetune,
                epochs=epochs,
                monitor=self.scored.monitored,
                mode="max",
                patience=None if short else run.patience,
                callbacks=watching(directory, self.scored),
                artifact=None if trial else self.artifact,
                **limits,
            )
            module = Classifier(model, self.scored, learning_rate=rate, **stepping(config))
            return fit_task(fitting, module, self.rows, checkpoint=last_checkpoint(directory), predictions=directory)

        return _Trained(model, once(directory, model, train) if trial else train(), rate, directory)

    def _encoder(self, directory: Path) -> PreTrainedModel:
        """The given one, or a student that starts as the general stage's would, unless a checkpoint has its weights."""
        config, source = self.config, self.source
        if not self.new:
            return source.encoder()
        if config.student.init == "random" or last_checkpoint(directory) is not None:
            return new_student(new_student_config(config, source.config), config.seed)
        teacher = source.encoder(dtype=frozen_dtype(config))
        return new_encoder(config, teacher, self.rows, config.general.sample_tokens)


def _report(config: Config, artifact: ArtifactWriter, result: dict[str, Any]) -> float:
    say()
    if result.get("trials"):
        trials.show(result["trials"])
    scoring.show(f"{config.finetune.model} on {config.task.name}", result["scores"], result["majority"])
    say(
        f"{count(result['parameters'])} parameters, {result['steps']} steps in {duration(result['seconds'])}; "
        f"the best weights are those of step {result['best_step']}"
    )
    say(f"artifact: {artifact.path}")
    return scoring.merit(result)
