"""A task as a LightningDataModule: an epoch is every training row once, in an order that is a function of the seed."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from tinydistill.data.formats import shortened
from tinydistill.data.loading import Batch, BatchLoader, ResumableDataModule
from tinydistill.data.tasks.batches import LengthOrder, RowBatches, every_row
from tinydistill.data.tasks.encoding import EncodedRows, encode
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.layout import Layout
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.data.tasks.tables import read_table
from tinydistill.data.tasks.targets import Target, as_number
from tinydistill.errors import InputError

_TEXT = ("input_ids", "attention_mask", "token_type_ids")  # what an encoder reads of a batch
MADE_FROM = b"tinydistill.made_from"  # in the metadata of augmented rows: the identity of the texts they come from
UNLABELED = b"tinydistill.unlabeled"  # there too: they don't have the labels of these


class TaskDataModule(ResumableDataModule):
    """A task as batches of rows of like lengths.

    Args:
        source: where the rows come from.
        tokenizer: a fast tokenizer with [CLS] and [SEP], or begin and end tokens.
        max_length: tokens in a row at most, special ones among them.
        batch_size: rows in a training batch of one device.
        seed: of the order of the rows.
        cache_dir: where tokens are kept between runs; None keeps them as long as this object.
        augmentation: a Parquet file of rows that take the training rows' place, with columns text, text_pair for pairs
            and source_row: the number of the training row that a row was made from and whose label it has.
        unlabeled: a file of further rows that are trained on, without labels and laid out as the source's.
        eval_batch_size: rows in a batch that isn't trained on; None for four times batch_size.
        num_workers: processes that read training batches ahead.
    """

    def __init__(
        self,
        source: TaskSource,
        tokenizer: PreTrainedTokenizerBase,
        *,
        max_length: int = 128,
        batch_size: int = 32,
        seed: int = 0,
        cache_dir: str | Path | None = None,
        augmentation: str | Path | None = None,
        unlabeled: str | Path | None = None,
        eval_batch_size: int | None = None,
        num_workers: int = 0,
    ):
        super().__init__(batch_size=batch_size, seed=seed, num_workers=num_workers, cache_dir=cache_dir)
        self.source, self.tokenizer = source, tokenizer
        self.max_length, self.augmentation, self.further = max_length, augmentation, unlabeled
        self.eval_batch_size = eval_batch_size or 4 * batch_size
        self.teacher_logits: NDArray[np.floating] | None = None
        """Of the training windows [N, C], or of their tokens [P, C]; when set, training batches carry theirs."""
        self._encoded: dict[int, tuple[Split, EncodedRows]] = {}

    @property
    def target(self) -> Target:
        """What the task predicts."""
        return self.source.target

    @cached_property
    def train(self) -> Split:
        """The rows that are trained on: the task's, or those of the augmentation, and then those without labels."""
        rows = original = self.source.train()
        if self.augmentation is not None:
            rows = read_augmented(Path(self.augmentation), original, labeled=self.target.of_whole_texts)
        return rows if self.further is None else rows.with_unlabeled(self.source.unlabeled(str(self.further)))

    @cached_property
    def validation(self) -> dict[str, Split]:
        """The validation splits by name; the first is the one that chooses."""
        return self.source.validation()

    def label_validation(self, labels: Mapping[str, Any]) -> None:
        """Give validation splits, by name, labels that they don't have."""
        self.validation = {
            name: replace(split, labels=labels[name]) if name in labels else split
            for name, split in self.validation.items()
        }

    @cached_property
    def test(self) -> dict[str, Split]:
        """The test splits by name, if the task has any."""
        return self.source.test()

    def encoded(self, split: Split) -> EncodedRows:
        """A split's tokens, encoded or found in the cache on first use."""
        if id(split) not in self._encoded:
            rows = encode(
                split,
                self.tokenizer,
                max_length=self.max_length,
                cache_dir=self.cache_dir,
                windows=self.target.windows,
            )
            self._encoded[id(split)] = (split, rows)  # the split too, so that no other gets its id
        return self._encoded[id(split)][1]

    def prepare_data(self) -> None:
        """Encode training and validation rows, on one process of a machine."""
        for split in (self.train, *self.validation.values()):
            self.encoded(split)

    def order(self) -> LengthOrder:
        """The training batches of this rank."""
        lengths = self.encoded(self.train).lengths
        return LengthOrder(lengths, self.batch_size, self.seed, self.world_size, self.rank)

    def train_dataloader(self) -> BatchLoader:
        """One epoch."""
        return self.loader_of(self._rows(self.train, self.teacher_logits))

    def val_dataloader(self) -> list[BatchLoader]:
        """A loader for each validation split, in their order."""
        return [self.loader(split) for split in self.validation.values()]

    def test_dataloader(self) -> list[BatchLoader]:
        """A loader for each test split, in their order."""
        return [self.loader(split) for split in self.test.values()]

    def predict_dataloader(self) -> list[BatchLoader]:
        """As for the test."""
        return self.test_dataloader()

    def loader(self, split: Split) -> BatchLoader:
        """Batches with every window of a split once, on every device; `row` says which."""
        rows = self._rows(split)
        return BatchLoader(rows, every_row(rows.rows.lengths, self.eval_batch_size))

    def heldout_batches(self) -> BatchLoader:
        """Every row of the first validation split."""
        return self.loader(next(iter(self.validation.values())))

    def sample_batches(self, tokens: int, *, logits: bool = False) -> Iterator[Batch]:
        """The first training batches until they hold so many tokens, or one epoch, without labels and a trainer.

        Of augmented rows the task's own ones come first: the others are of another distribution. With `logits`, their
        rows of `teacher_logits` too.
        """
        wanted = (*_TEXT, "teacher_logits", "valid") if logits else _TEXT
        seen = 0
        rows = self._rows(self.train, self.teacher_logits if logits else None)
        for numbers in self._own_rows_first:
            order = LengthOrder(rows.rows.lengths[numbers], self.batch_size, self.seed)
            for batch in BatchLoader(rows, [numbers[places] for places in order]):
                yield {name: batch[name] for name in wanted if name in batch}
                seen += int(batch["attention_mask"].sum())
                if seen >= tokens:
                    return

    @cached_property
    def _own_rows_first(self) -> list[NDArray[np.int64]]:
        """The numbers of the training windows: of the task's own rows, and of those that augmentation made."""
        train, every = self.train, np.arange(len(self.encoded(self.train)))
        if train.source_rows is None:
            return [every]
        original = self.source.train()
        of_task = list(zip(original.texts, original.pairs or original.texts, strict=True))
        rows = zip(train.texts, train.pairs or train.texts, train.source_rows.tolist(), strict=True)
        own = np.array([row < 0 or (text, pair) == of_task[row] for text, pair, row in rows])
        own = own[self.encoded(train).owners]
        return [numbers for numbers in (every[own], every[~own]) if len(numbers)]

    def _rows(self, split: Split, teacher_logits: NDArray[np.floating] | None = None) -> RowBatches:
        rows = self.encoded(split)
        return RowBatches(
            rows,
            None if split.labels is None else self.target.in_batches(split.labels, rows),
            pad=self.tokenizer.pad_token_id or 0,
            max_length=self.max_length,
            teacher_logits=teacher_logits,
        )


def read_augmented(path: Path, original: Split, *, labeled: bool = True) -> Split:
    """The rows of an augmentation, labeled as the training rows that they were made from.

    Without labels if it says so, or where they may be wrong for changed texts: `labeled=False`. Raises InputError where
    the file lacks a column, was made from other rows, or names one that there isn't.
    """
    layout = Layout("text", None if original.pairs is None else "text_pair", "source_row")
    table = read_table(path, layout, argument="{TaskDataModule.augmentation}")
    labeled = labeled and original.labels is not None
    if path.suffix == ".parquet":
        about = pq.read_schema(path).metadata or {}
        labeled = labeled and UNLABELED not in about
        made_from = about.get(MADE_FROM, b"").decode()
        if made_from not in ("", original.text_identity()):
            raise InputError(
                f"{path} was made from other rows than this task's training rows", "run {stage:augment} on these"
            )
    if not table.labels:
        raise InputError(f"{path} has no rows", "run {stage:augment} on this task's rows")
    numbers = [as_number(row) for row in table.labels]
    for row, number in enumerate(numbers):
        if number is None or not (0 <= number < len(original) and number.is_integer()):
            raise InputError(
                f"{table.where(row)}: there is no training row {shortened(table.labels[row])}, they end at "
                f"{len(original) - 1}",
                "run {stage:augment} on this task's rows",
            )
    sources = np.array(numbers, np.int64)
    labels = original.labels[sources] if labeled and original.labels is not None else None
    soft = original.soft[sources] if labeled and original.soft is not None else None
    return Split("train", table.texts, table.pairs, labels, source_rows=sources, soft=soft)
