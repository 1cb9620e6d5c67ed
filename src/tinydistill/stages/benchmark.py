"""stage=benchmark: how fast this machine does the work of the other stages, beside what it could do."""

import shutil
import time
from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from transformers import PretrainedConfig, PreTrainedModel

from tinydistill.artifacts.writer import ArtifactWriter, open_artifact
from tinydistill.benchmarking.augmentation import measure_augmentation
from tinydistill.benchmarking.latency import measure_latency
from tinydistill.benchmarking.piece import Piece, measure, show
from tinydistill.benchmarking.steps import measure_steps
from tinydistill.benchmarking.tokenization import Sample, measure_tokenization, read_sample
from tinydistill.config.build import data
from tinydistill.config.build.models import check_fit, layer_mapping, new_student_config, objective
from tinydistill.config.build.sources import check_positions, find_student, find_teacher
from tinydistill.config.build.trainer import frozen_dtype, precision, stepping, trainer
from tinydistill.config.compose import plain
from tinydistill.config.names import named_path, output_path
from tinydistill.config.schema import Config
from tinydistill.config.schema.stages import General, Intermediate, Prediction
from tinydistill.console import duration, say
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.data.text.blocks import Cutting
from tinydistill.data.text.datamodule import TextDataModule
from tinydistill.data.text.sources import TextsCorpus
from tinydistill.distillation.layer_distiller import LayerDistiller
from tinydistill.distillation.logit_distiller import LogitDistiller
from tinydistill.errors import UserError
from tinydistill.models.heads import add_head
from tinydistill.models.masked_lm import load_or_add_head
from tinydistill.models.source import Source, find, longest_input
from tinydistill.models.students import new_student
from tinydistill.training import runtime

_ENDLESS = 10**6  # steps of the learning rate's way: far more than are measured


def run(config: Config) -> float:
    """Publish the figures; return the first piece's speed.

    A measurement is never finished before: without output_dir each has a directory of its own.
    """
    runtime.quiet()
    began = datetime.now()
    teacher, given = find_teacher(config), find_student(config)
    student_config = given.config if given else new_student_config(config, teacher.config)
    check_fit(config, student_config, teacher.config)
    check_positions("general.max_length", [config.general.max_length], teacher, *([given] if given else []))
    words = Path(config.teacher.path).name, config.student.name, f"{began:%Y-%m-%d_%H-%M-%S}"
    settings = {"measured": began.isoformat(), "teacher": teacher.identity, "pieces": config.benchmark.pieces}
    path = output_path(config, named_path(config, "benchmark", *words))
    with open_artifact(path, settings, overwrite=config.overwrite) as artifact:
        try:
            measuring = trainer(config, artifact.work)
            if measuring.world_size > 1:
                raise UserError(
                    f"stage=benchmark measures one device, not {measuring.world_size}: set trainer.devices=1"
                )
            bench = _Bench(config, artifact.work, teacher, given, student_config)
            result = bench.measure(measuring.strategy.root_device)
        except BaseException:
            shutil.rmtree(artifact.work, ignore_errors=True)  # there is nothing to go on from
            raise
        artifact.publish(result, plain(config))
        return _report(artifact, result)


class _Bench:
    """The pieces of work, each made and measured by itself. What several of them need is made once."""

    def __init__(
        self, config: Config, directory: Path, teacher: Source, given: Source | None, student_config: PretrainedConfig
    ):
        self.config, self.directory = config, directory
        self.teacher, self.given, self.student_config = teacher, given, student_config
        self.seconds = config.benchmark.seconds

    def measure(self, device: torch.device) -> dict[str, Any]:
        """The figures of all pieces that are asked for."""
        began, figures = time.monotonic(), []
        for name in self.config.benchmark.pieces:
            say(f"{name} …")
            make: Callable[[], Callable[[], list[Piece]]] = getattr(self, f"_{name}")
            figures += measure(name, make(), device, self.seconds)
        return {
            "pieces": figures,
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
            "threads": torch.get_num_threads(),
            "precision": precision(self.config),
            "seconds": round(time.monotonic() - began, 1),
        }

    # Each returns the work to be timed; what it needs is made before that.

    def _general(self) -> Callable[[], list[Piece]]:
        options, text = self.config.general, self._text
        whole = None
        if text.corpus is self._corpus:
            epoch = len(text.blocks.train) * options.epochs
            steps = -(-epoch // (options.batch_size * options.accumulate_grad_batches))
            steps = steps if options.max_steps is None else min(steps, options.max_steps)
            whole = float(steps * options.batch_size * options.accumulate_grad_batches * options.max_length)
        return lambda: [self._steps("general", options, self._layers(options), text, whole)]

    def _intermediate(self) -> Callable[[], list[Piece]]:
        options, rows = self.config.intermediate, self._rows(self.config.intermediate)
        return lambda: [self._steps("intermediate", options, self._layers(options), rows, _tokens(rows, options))]

    def _prediction(self) -> Callable[[], list[Piece]]:
        options, rows = self.config.prediction, self._rows(self.config.prediction)
        scored = data.scoring(self.config, self._task)
        rows.teacher_logits = np.random.default_rng(0).normal(size=(len(rows.train), scored.outputs))
        tokens = _tokens(rows, options)

        def work() -> list[Piece]:
            student = add_head(self._new_student(), self._task.target.labels, seed=self.config.seed)
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
        options, task, rows = self.config.augmentation, self.config.task, self._task.train()
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
        encoders = {"teacher": self.teacher.encoder(), "student": self._new_student()}
        models = {name: add_head(model, ("no", "yes"), seed=0) for name, model in encoders.items()}
        return lambda: measure_latency(models, length, seconds=self.seconds)

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
    def _task(self) -> TaskSource:
        return data.training_task(self.config)

    def _rows(self, options: Intermediate | Prediction) -> TaskDataModule:
        rows = data.task_data(self.config, self._task, self.teacher.tokenizer, batch_size=options.batch_size)
        rows.encoded(rows.train)
        return rows

    def _new_student(self) -> PreTrainedModel:
        return self.given.encoder() if self.given else new_student(self.student_config, self.config.seed)

    def _layers(self, options: General | Intermediate) -> LayerDistiller:
        teacher, student = self.teacher.encoder(dtype=frozen_dtype(self.config)), self._new_student()
        layers = student.config.num_hidden_layers, teacher.config.num_hidden_layers
        mapping = layer_mapping(self.config, student.config, teacher.config, lambda: torch.eye(*layers))
        imitated = objective(self.config, mapping)
        imitated.variances = [1.0] * len(imitated.terms)  # known, so that no teacher is measured for them
        return LayerDistiller(teacher, student, imitated, learning_rate=options.learning_rate, **stepping(self.config))

    def _steps(
        self,
        name: str,
        options: General | Intermediate | Prediction,
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


def _tokens(rows: TaskDataModule, options: Intermediate | Prediction) -> float:
    """Those of all batches of a run."""
    epochs = float(options.passes(len(rows.train)))
    if options.max_steps is not None:
        epochs = min(epochs, options.max_steps * options.accumulate_grad_batches / len(rows.order()))
    return float(rows.encoded(rows.train).lengths.sum()) * epochs


def _report(artifact: ArtifactWriter, result: dict[str, Any]) -> float:
    say()
    say(f"device {result['device']}, {result['threads']} threads, precision {result['precision']}")
    show(result["pieces"])
    say(f"measured in {duration(result['seconds'])}")
    say(f"artifact: {artifact.path}")
    return float(result["pieces"][0]["units_per_second"])
