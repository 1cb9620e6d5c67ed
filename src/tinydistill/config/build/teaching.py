"""The teacher of a task: a fine-tuned model, or probabilities that come with the rows and stand for one's answers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from transformers import PreTrainedModel

from tinydistill.config.build import data
from tinydistill.config.build.trainer import frozen_device, frozen_dtype, precision
from tinydistill.config.schema import Config
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.tasks.encoding import EncodedRows
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.sources import SELECTION
from tinydistill.distillation.teacher_checks import check_score
from tinydistill.distillation.teacher_logits import stored_logits
from tinydistill.errors import UserError
from tinydistill.kinds.base import Logits
from tinydistill.models.heads import Head
from tinydistill.models.source import Source
from tinydistill.training import scoring
from tinydistill.training.classifier import Scoring


@dataclass(frozen=True)
class TaskTeacher:
    """What a student of a task learns from.

    Attributes:
        source: the fine-tuned teacher; where the rows have soft labels, the encoder whose layers are imitated.
        scored: how its answers are scored.
        rows: the task's, as the student reads them.
        head: what is on the teacher, as it reads its texts.
    """

    config: Config
    source: Source
    scored: Scoring
    rows: TaskDataModule
    head: Head

    @property
    def soft(self) -> bool:
        """Whether its answers come with the rows."""
        return bool(self.config.task.soft_labels)

    def _loaded(self, source: Source) -> PreTrainedModel:
        dtype = frozen_dtype(self.config)
        return source.encoder(dtype) if self.soft else source.with_head(self.scored.kind.head, dtype)

    @cached_property
    def _model(self) -> PreTrainedModel:
        return self._loaded(self.source)

    @cached_property
    def _beside_student(self) -> PreTrainedModel:
        reading = self.source.reading(self.rows.tokenizer)
        return self._model if reading is None or reading is self.source else self._loaded(reading)

    def load(self) -> PreTrainedModel:
        """The model, with its head if it has one, as it reads the student's tokens; loaded once."""
        return self._beside_student

    @cached_property
    def _own_rows(self) -> TaskDataModule:
        """The rows as it reads them itself, with a tokenizer of its own where the student has another."""
        if self.source.tokenizer.get_vocab() == self.rows.tokenizer.get_vocab():
            return self.rows
        return data.task_data(self.config, self.rows.source, self.source.tokenizer, batch_size=self.rows.batch_size)

    def check_tokens(self) -> None:
        """Raise UserError where every token has an answer, and the student has tokens that the teacher lacks."""
        if self.scored.kind.per_token and self.source.reading(self.rows.tokenizer) is None:
            raise UserError(
                f"{self.source.called}={self.source.path} and student.path have other vocabularies, and this task has "
                "an answer for every token: name a student with the teacher's tokens"
            )

    def encoded(self, split: Split) -> EncodedRows:
        """The tokens that its answers to a split are to."""
        return self._own_rows.encoded(split)

    def logits(self, split: Split) -> Logits | None:
        """Its answers to a split: computed, and stored, where they aren't there yet; None where no soft labels are."""
        if self.soft:
            return None if split.soft is None else self.scored.kind.soft_logits(split.soft)
        return self._stored(self._own_rows, split, lambda: self._model)

    def _stored(self, rows: TaskDataModule, split: Split, load: Callable[[], PreTrainedModel]) -> Logits:
        precise = f"{self.source.identity} {precision(self.config)}{self.head.read_as}"
        return stored_logits(rows, split, precise, lambda: load().to(frozen_device(self.config)))

    def as_it_answers(self) -> "TaskTeacher":
        """The same, scored with what its configuration says was chosen for it, or else what is on rows kept aside."""
        kept = self.scored.splits.get(SELECTION)
        kind = None if self.soft else self.scored.kind.read_from(self.source.config)
        if kind is None and kept is not None and (logits := self.logits(kept)) is not None:
            kind = self.scored.kind.fitted_to(kept, logits, self.encoded(kept))
        return self if kind is None else replace(self, scored=replace(self.scored, kind=kind))

    def training_logits(self) -> Logits:
        """Its answers to the rows that are trained on, and to the student's tokens where every token has one.

        Raises UserError where some rows have no soft label.
        """
        if self.scored.kind.per_token and not self.soft:
            return self._stored(self.rows, self.rows.train, self.load)
        found = self.logits(self.rows.train)
        if found is None:
            raise UserError(
                "task.soft_labels are the teacher's answers, and the rows of augmentation.path and task.unlabeled have "
                "none: leave those out, or name a fine-tuned teacher in place of soft labels"
            )
        return found

    def scores(self) -> dict[str, scoring.Scores]:
        """Of every validation split; None where it has no answers."""
        found: dict[str, scoring.Scores] = {}
        for name, split in self.rows.validation.items():
            logits = self.logits(split)
            if logits is None:
                found[name] = dict.fromkeys(self.scored.metrics)
            else:
                found[name] = scoring.score_logits(self.scored, split, logits, self._own_rows)
        return found

    def check(self) -> None:
        """Raise InputError where its answers to the reported split are no better than without reading it."""
        split = self.rows.validation[self.scored.reported_split]
        if (logits := self.logits(split)) is not None:
            answers = self.scored.kind.answers(split, logits, self.encoded(split))
            called = "task.soft_labels" if self.soft else f"{self.source.called}={self.source.path}"
            check_score(self.scored.kind, split, answers, called=called)
