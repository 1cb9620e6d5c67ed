"""What stage=benchmark measures: the models, data and trainers of the other stages, as their settings make them."""

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
from transformers import PretrainedConfig, PreTrainedModel

from tinydistill.benchmarking import steps
from tinydistill.benchmarking.augmentation import Augmented, augment
from tinydistill.benchmarking.piece import MEGABYTE, Piece
from tinydistill.config.build import data as inputs
from tinydistill.config.build import models as parts
from tinydistill.config.build import phases
from tinydistill.config.build import training as trainers
from tinydistill.config.build.sources import Source, Values, find, longest_input
from tinydistill.data.loading import BatchLoader
from tinydistill.data.tasks.batches import MULTIPLE
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.data.text.blocks import Cutting, build_blocks
from tinydistill.data.text.datamodule import TextDataModule
from tinydistill.data.text.sources import Corpus, TextsCorpus
from tinydistill.distillation.layer_distiller import LayerDistiller
from tinydistill.distillation.logit_distiller import LogitDistiller
from tinydistill.errors import UserError
from tinydistill.export.latency import latencies, torch_call
from tinydistill.export.size import size
from tinydistill.models import heads, students
from tinydistill.models import loading as models
from tinydistill.models.masked_lm import load_or_add_head
from tinydistill.training import runtime, scoring
from tinydistill.training.classifier import Scoring

SAMPLE = 8_000_000  # characters of a corpus that are read where its blocks aren't known
ON_PROCESSOR = ("tokenisation", "latency")
ONE_THREAD = ("latency",)
_FIRST_ROWS = 8  # augmented to see how fast that is
_STEPS = 10**6  # of the learning rate's way: far more than are measured


@dataclass(frozen=True)
class Text:
    """The first documents of a corpus, and the seconds that reading took; `whole` where these are all of it."""

    texts: tuple[str, ...]
    whole: bool
    seconds: float


class Workbench:
    """Measures pieces of work, each by itself. What several of them need is made once."""

    def __init__(
        self, values: Values, directory: Path, teacher: Source, student: Source | None, config: PretrainedConfig
    ):
        self.values = {**values, "trainer": {**values["trainer"], "progress": False}}
        self.directory, self.teacher, self.student, self.config = directory, teacher, student, config
        self.seconds: float = values["benchmark"]["seconds"]
        self.measures: dict[str, Callable[[], list[Piece]]] = {
            "general": self._general,
            "intermediate": self._intermediate,
            "prediction": self._prediction,
            "augmentation": self._augmentation,
            "tokenisation": self._tokenisation,
            "latency": self._latency,
        }

    def prepare(self, name: str) -> None:
        """Reads what a piece needs, so that none of it comes between the piece and what it is held against."""
        if name == "general":
            _ = self._blocks.blocks
        elif name == "tokenisation":
            _ = self._text
        elif name in ("intermediate", "prediction"):
            data = self._task_data(name)
            data.encoded(data.train)
        elif name == "augmentation":
            _ = self._task_train

    @cached_property
    def _corpus(self) -> Corpus:
        return inputs.corpus(self.values)

    @cached_property
    def _text(self) -> Text:
        texts, size, start, whole = [], 0, time.perf_counter(), True
        for text in self._corpus.documents():
            if size > SAMPLE:
                whole = False
                break
            texts.append(text)
            size += len(text)
        return Text(tuple(texts), whole, time.perf_counter() - start)

    @cached_property
    def _blocks(self) -> TextDataModule:
        """The corpus in blocks where it is small or was cut into blocks before, else its beginning."""
        data = inputs.blocks(self.values, "general", self._corpus, self.teacher.tokenizer)
        if data.cached:
            return data
        corpus, values = self._corpus, self.values
        if self._text.whole:
            corpus = TextsCorpus(self._text.texts, corpus.identity())
        else:
            corpus = TextsCorpus(self._text.texts, "sample")
            values = {**values, "paths": {**values["paths"], "cache": self.directory / "cache"}}
        return inputs.blocks(values, "general", corpus, self.teacher.tokenizer)

    @cached_property
    def _task(self) -> TaskSource:
        return inputs.task(self.values)

    @cached_property
    def _task_train(self) -> Split:
        return self._task.train()

    def _task_data(self, phase: str) -> TaskDataModule:
        return phases.rows(self.values, self._task, self.teacher, phase)

    def _new_student(self) -> PreTrainedModel:
        if self.student is not None:
            return models.load_encoder(self.student.path, override="student.path")
        return students.new_student(self.config, self.values["seed"])

    def _distiller(self, options: Values, rows: BatchLoader) -> LayerDistiller:
        teacher, student = parts.teacher(self.values, self.teacher), self._new_student()
        values = self.values
        if values["mapping"]["strategy"] == "auto":  # which layers it finds makes no difference to the speed
            values = {**values, "mapping": {"strategy": "uniform", "layers": None}}
        layers = parts.mapping_by_rule(values, student.config, teacher.config)
        objective = parts.objective(values, layers, student.config, teacher.config)
        distiller = LayerDistiller(student, teacher, objective, trainers.optimisation(options, _STEPS))
        distiller.freeze_unreached({name: values[:1] for name, values in next(iter(rows)).items()})
        return distiller

    def _fit(self, name: str, module: pl.LightningModule, rows: BatchLoader, single: Sequence[int]) -> steps.Steps:
        """The module's steps in the trainer of a stage, logging included."""
        pl.seed_everything(self.values["seed"], verbose=False)
        timer = steps.StepTimer(len(single), self.seconds)
        trainer = trainers.trainer(self.values, self.directory / name, self.values[name], callbacks=[timer])
        trainer.fit(module, steps.loader(rows, single))
        runtime.finish(trainer)
        return timer.done

    def _general(self) -> list[Piece]:
        data, options = self._blocks, self.values["general"]
        rows = data.train_dataloader()
        done = self._fit("general", self._distiller(options, rows), rows, [0])
        sampled = isinstance(data.corpus, TextsCorpus) and data.corpus.name == "sample"
        whole = None if sampled else data.total_steps * data.blocks_in_step * options["max_length"]
        return [_of_steps("general", done, whole)]

    def _intermediate(self) -> list[Piece]:
        data = self._task_data("intermediate")
        rows = data.train_dataloader()
        done = self._fit(
            "intermediate", self._distiller(self.values["intermediate"], rows), rows, _one_of_each_length(data)
        )
        return [_of_steps("intermediate", done, _pieces_of_run(data))]

    def _prediction(self) -> list[Piece]:
        data, options, scored = self._task_data("prediction"), self.values["prediction"], self._scored
        data.teacher_logits = np.random.default_rng(0).normal(size=(len(data.train), scored.outputs))
        student = heads.add_head(self._new_student(), self._task.target.labels, seed=self.values["seed"])
        module = LogitDistiller(student, trainers.optimisation(options, _STEPS), scored, **phases.softness(options))
        done = self._fit("prediction", module, data.train_dataloader(), _one_of_each_length(data))
        return [_of_steps("prediction", done, _pieces_of_run(data))]

    @property
    def _scored(self) -> Scoring:
        return scoring.scoring(self.values, self._task)

    def _augmentation(self) -> list[Piece]:
        options, rows = self.values["augmentation"], self._task_train
        source = self.teacher if options["model"] is None else find(options["model"], "augmentation.model")
        if source.tokenizer.mask_token_id is None:
            raise UserError(
                f"{source.override}={source.path}: its tokenizer has no mask token; leave augmentation out of "
                "benchmark.pieces"
            )
        model, _ = load_or_add_head(
            source.path, revision=source.revision, seed=self.values["seed"], override=source.override
        )
        model = model.to(trainers.frozen_dtype(self.values))
        order = np.random.default_rng(0).permutation(len(rows))

        def work(count: int, number: int) -> Augmented:
            trainer = runtime.build_trainer(
                directory=self.directory,
                loggers=[],
                options={**self.values["trainer"], "precision": "32"},  # the model has its own
                clip=0,
                accumulate=1,
            )
            return augment(
                rows.take(order[:count]),
                copy.deepcopy(model),
                source.tokenizer,
                trainer,
                self.directory / f"augmentation-{number}",
                max_length=min(2 * self.values["task"]["max_length"], longest_input(source.config)),
                count=options["rows"],
                probability=options["probability"],
                candidates=options["candidates"],
                batch_size=options["batch_size"],
            )

        first = work(_FIRST_ROWS, 0)
        done = work(max(_FIRST_ROWS, round(first.rows * self.seconds / first.seconds)), 1)
        words = {"words": done.words, "words_per_second": done.words / done.seconds}
        return [Piece("augmentation", "row", done.rows, done.seconds, done.flops, float(len(rows)), words)]

    def _tokenisation(self) -> list[Piece]:
        names = ("max_length", "heldout_fraction", "heldout_blocks")
        cutting = Cutting(*(self.values["general"][name] for name in names))
        megabytes = sum(len(text.encode()) for text in self._text.texts) / 1e6
        done, start = 0, time.perf_counter()
        while not done or time.perf_counter() - start < self.seconds:
            corpus = TextsCorpus(self._text.texts, f"tokenization {done}")
            build_blocks(corpus, self.teacher.tokenizer, cutting, cache_dir=self.directory / "cache")
            done += 1
        seconds = time.perf_counter() - start
        whole = megabytes if self._text.whole else None
        read = {"megabytes_read": megabytes, "reading_seconds": self._text.seconds}
        return [Piece("tokenisation", MEGABYTE, done * megabytes, seconds, 0.0, whole, read)]

    def _latency(self) -> list[Piece]:
        length = min(self.values["pipeline"]["latency_length"], longest_input(self.config))
        encoders = {
            "teacher": models.load_encoder(self.teacher.path, revision=self.teacher.revision),
            "student": self._new_student(),
        }
        answering = {name: heads.add_head(model, ("no", "yes"), seed=0) for name, model in encoders.items()}
        calls = {name: torch_call(model, 1, length) for name, model in answering.items()}
        timed = latencies(calls, seconds=self.seconds / len(calls))
        return [
            Piece(
                f"latency, {name}",
                "answer",
                1,
                timed[name].median / 1000,
                size(model, length).flops,
                more={"length": length, "milliseconds": timed[name].median, "milliseconds_p95": timed[name].p95},
            )
            for name, model in answering.items()
        ]


def _of_steps(name: str, done: steps.Steps, whole: float | None) -> Piece:
    counts = {"steps": done.steps, "rows": done.rows}
    return Piece(name, "word piece", done.pieces, done.seconds, done.flops, whole, counts)


def _one_of_each_length(data: TaskDataModule) -> list[int]:
    """A row for every length that a batch can have."""
    lengths = data.encoded(data.train).lengths
    return np.unique(-(-lengths // MULTIPLE), return_index=True)[1].tolist()


def _pieces_of_run(data: TaskDataModule) -> float:
    """Word pieces of all batches of a run."""
    return float(data.encoded(data.train).lengths.sum()) * data.total_batches / data.batches_per_epoch
