"""The work of the stages in pieces that can be timed by themselves: the real models, steps on the real rows."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from transformers import PretrainedConfig, PreTrainedModel

from tinydistill.benchmarking.augmentation import measure_augmentation
from tinydistill.benchmarking.latency import measure_latency
from tinydistill.benchmarking.piece import Piece
from tinydistill.benchmarking.steps import measure_steps
from tinydistill.benchmarking.tokenization import Sample, measure_tokenization, read_sample
from tinydistill.config.build import data
from tinydistill.config.build.models import layer_mapping, new_student_config, objective
from tinydistill.config.build.trainer import frozen_dtype, stepping, trainer
from tinydistill.config.schema import Config
from tinydistill.config.schema.finetune import Finetune
from tinydistill.config.schema.stages import General, Intermediate, Prediction
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.data.text.blocks import Cutting
from tinydistill.data.text.datamodule import TextDataModule
from tinydistill.data.text.sources import TextsCorpus
from tinydistill.distillation.layer_distiller import LayerDistiller
from tinydistill.distillation.logit_distiller import LogitDistiller
from tinydistill.distillation.mapping import Mapping
from tinydistill.errors import UserError
from tinydistill.kinds import kind_of
from tinydistill.models.heads import Head, add_head
from tinydistill.models.masked_lm import load_or_add_head
from tinydistill.models.source import Source, find, longest_input
from tinydistill.models.students import new_student
from tinydistill.training.classifier import Classifier

_ENDLESS = 10**6  # steps of the learning rate's way: far more than are measured


class Bench:
    """The pieces of work, each made and measured by itself. What several of them need is made once.

    Args:
        config: the whole configuration.
        directory: what the pieces write goes below it.
        teacher: the named teacher; `given`, the named student, or None for a new one.
        seconds: how long each piece is timed.
    """

    def __init__(self, config: Config, directory: Path, teacher: Source, given: Source | None, seconds: float):
        self.config, self.directory, self.seconds = config, directory, seconds
        self.teacher, self.given = teacher, given
        self.student_config: PretrainedConfig = given.config if given else new_student_config(config, teacher.config)

    def piece(self, name: str) -> Callable[[], list[Piece]]:
        """The work to be timed, of one of benchmark.pieces; what it needs is made before."""
        made: Callable[[], list[Piece]] = getattr(self, f"_{name}")()
        return made

    def _general(self) -> Callable[[], list[Piece]]:
        options, text = self.config.general, self._text
        whole = None
        if text.corpus is self._corpus:
            epoch = len(text.blocks.train) * options.epochs
            steps = -(-epoch // (options.batch_size * options.accumulate_grad_batches))
            steps = steps if options.max_steps is None else min(steps, options.max_steps)
            whole = float(steps * options.batch_size * options.accumulate_grad_batches * options.max_length)
        return lambda: [self._steps("general", options, self._layers(options), text, whole)]

    def _finetune(self) -> Callable[[], list[Piece]]:
        options, rows = self.config.finetune, self.rows(self.config.finetune)
        scored, tokens = data.scoring(self.config, self.task), _tokens(rows, options)

        def work() -> list[Piece]:
            encoder = self.teacher.encoder() if options.model == "teacher" else self.new_student()
            model = add_head(encoder, scored.kind.head, seed=self.config.seed)
            module = Classifier(model, scored, learning_rate=options.rates[0], **stepping(self.config))
            return [self._steps("finetune", options, module, rows, tokens)]

        return work

    def _intermediate(self) -> Callable[[], list[Piece]]:
        options, rows = self.config.intermediate, self.rows(self.config.intermediate)
        return lambda: [self._steps("intermediate", options, self._layers(options), rows, _tokens(rows, options))]

    def _prediction(self) -> Callable[[], list[Piece]]:
        options, rows = self.config.prediction, self.rows(self.config.prediction)
        scored, tokens = data.scoring(self.config, self.task), _tokens(rows, options)
        encoded = rows.encoded(rows.train)
        count = len(encoded.pieces if scored.kind.per_token else encoded)
        width = self.head.width or self.task.target.outputs
        rows.teacher_logits = np.random.default_rng(0).normal(size=(count, width))

        def work() -> list[Piece]:
            student = add_head(self.new_student(), self.head, seed=self.config.seed)
            module = LogitDistiller(
                student,
                scored,
                learning_rate=options.learning_rate,
                temperature=options.temperature,
                hard_share=options.hard_share,
                **stepping(self.config),
            )
            return [self._steps("prediction", options, module, rows, tokens)]

        return work

    def _augmentation(self) -> Callable[[], list[Piece]]:
        options, task, rows = self.config.augmentation, self.config.task, self.task.train()
        source = self.teacher if options.model is None else find(options.model, "augmentation.model")
        if source.tokenizer.mask_token_id is None:
            raise UserError(
                f"{source.called}={source.path}: its tokenizer has no mask token; leave augmentation out of "
                "benchmark.pieces"
            )
        model, _ = load_or_add_head(source.path, seed=self.config.seed, revision=source.revision, called=source.called)
        model = model.to(frozen_dtype(self.config))
        return lambda: [
            measure_augmentation(
                rows,
                model,
                source.tokenizer,
                lambda: trainer(self.config, self.directory, precision="32-true"),
                self.directory,
                seconds=self.seconds,
                max_length=min(2 * task.max_length, longest_input(source.config)),
                count=options.rows,
                probability=options.probability,
                candidates=options.candidates,
                batch_size=options.batch_size,
            )
        ]

    def _tokenization(self) -> Callable[[], list[Piece]]:
        options, sample = self.config.general, self._sample
        cutting = Cutting(options.max_length, options.heldout_fraction, options.heldout_blocks)
        cache = self.directory / "cache"
        return lambda: [measure_tokenization(sample, self.teacher.tokenizer, cutting, cache, seconds=self.seconds)]

    def _latency(self) -> Callable[[], list[Piece]]:
        length = min(self.config.pipeline.latency_length, longest_input(self.student_config))
        encoders = {"teacher": self.teacher.encoder(), "student": self.new_student()}
        models = {name: add_head(model, Head(("no", "yes")), seed=0) for name, model in encoders.items()}
        return lambda: measure_latency(models, length, seconds=self.seconds)

    @cached_property
    def head(self) -> Head:
        """What a student of the task has on its encoder."""
        teacher, length = self.teacher, self.config.task.max_length
        head = kind_of(self.task.target).head
        return head.like(teacher.path, teacher.revision, max_length=length, called=teacher.called)

    @cached_property
    def _corpus(self) -> Any:
        return data.corpus(self.config)

    @cached_property
    def _sample(self) -> Sample:
        return read_sample(self._corpus)

    @cached_property
    def _text(self) -> TextDataModule:
        """The corpus in blocks where it is small or was cut into blocks before, else its beginning."""
        text = data.text_data(self.config, self.config.general, self._corpus, self.teacher.tokenizer)
        if not text.cached and not self._sample.whole:
            corpus = TextsCorpus(self._sample.texts)
            text = data.text_data(self.config, self.config.general, corpus, self.teacher.tokenizer)
        _ = text.blocks
        return text

    @cached_property
    def task(self) -> TaskSource:
        """The task as it is learned."""
        return data.training_task(self.config)

    def rows(self, options: Finetune | Intermediate | Prediction) -> TaskDataModule:
        """The task's rows in a training's batches; of a phase of distillation, the augmented ones if there are."""
        rows = data.task_data(
            self.config,
            self.task,
            self.teacher.tokenizer,
            batch_size=options.batch_size,
            distilled=not isinstance(options, Finetune),
        )
        rows.encoded(rows.train)
        return rows

    def new_student(self) -> PreTrainedModel:
        """The given student, or one as it is before its start."""
        return self.given.encoder() if self.given else new_student(self.student_config, self.config.seed)

    def _layers(self, options: General | Intermediate) -> LayerDistiller:
        teacher, student = self.teacher.encoder(dtype=frozen_dtype(self.config)), self.new_student()
        imitated = objective(self.config, self.mapping(student.config, teacher.config))
        imitated.variances = [1.0] * len(imitated.terms)  # known, so that no teacher is measured for them
        return LayerDistiller(teacher, student, imitated, learning_rate=options.learning_rate, **stepping(self.config))

    def mapping(self, student: PretrainedConfig, teacher: PretrainedConfig) -> Mapping:
        """By its rule; one that goes by similarity takes teacher layers that are alike in nothing."""
        layers = student.num_hidden_layers, teacher.num_hidden_layers
        return layer_mapping(self.config, student, teacher, lambda: torch.eye(*layers))

    def _steps(
        self,
        name: str,
        options: General | Finetune | Intermediate | Prediction,
        module: pl.LightningModule,
        rows: TextDataModule | TaskDataModule,
        whole: float | None,
    ) -> Piece:
        pl.seed_everything(self.config.seed, verbose=False)
        train = trainer(
            self.config,
            self.directory / name,
            options,
            epochs=-1,
            max_steps=_ENDLESS,
            limit_val_batches=0,
            enable_progress_bar=False,
        )
        return measure_steps(name, module, rows.train_dataloader(), train, seconds=self.seconds, whole=whole)


def _tokens(rows: TaskDataModule, options: Finetune | Intermediate | Prediction) -> float:
    """Those of all batches of a run."""
    return float(rows.encoded(rows.train).lengths.sum()) * passes(rows, options)


def passes(rows: TaskDataModule, options: Finetune | Intermediate | Prediction) -> float:
    """Over the rows in a run of these options, which may end within one."""
    if isinstance(options, Finetune):
        return float(options.run.passes(len(rows.train)))
    epochs = float(options.passes(len(rows.train)))
    if options.max_steps is not None:
        epochs = min(epochs, options.max_steps * options.accumulate_grad_batches / len(rows.order()))
    return epochs
