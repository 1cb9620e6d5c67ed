"""Where the rows of a task come from, and GLUE: from the hub or in its original files.

A source is a small frozen object; a split is read when it is asked for.
"""

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinydistill.data.files import first_line
from tinydistill.data.tasks.examples import Split, Table, Target, check_for_scores, to_split
from tinydistill.data.tasks.tables import Columns, Dialect, read_table
from tinydistill.errors import UserError
from tinydistill.hub import look_for_hub


class TaskSource(ABC):
    """The splits of a task and what it predicts. Everything here raises UserError where the data can't be read."""

    @property
    @abstractmethod
    def target(self) -> Target:
        """The classes in their order, or a number."""

    @abstractmethod
    def train(self) -> Split:
        """The training rows, all labelled."""

    @abstractmethod
    def validation(self) -> dict[str, Split]:
        """Labelled splits by name; the first is the one to monitor."""

    @abstractmethod
    def test(self) -> dict[str, Split]:
        """Splits by name, mostly without labels; empty where the task has none."""

    def identity(self) -> str:
        """The same for the same training and validation rows, wherever they lie."""
        splits = {"train": self.train(), **self.validation()}
        return hashlib.sha256(repr([self.target, *((n, s.identity()) for n, s in splits.items())]).encode()).hexdigest()


@dataclass(frozen=True)
class GlueHub(TaskSource):
    """A GLUE task from the hub, or any data set there of the same shape."""

    config: str
    columns: Columns
    labels: tuple[str, ...] = ()
    validation_splits: tuple[str, ...] = ("validation",)
    test_splits: tuple[str, ...] = ("test",)
    repo: str = "nyu-mll/glue"
    revision: str | None = None

    @property
    def target(self) -> Target:
        """As the task's file in conf/ says."""
        return Target(self.labels)

    def train(self) -> Split:
        """The split called train."""
        return self._split("train")

    def validation(self) -> dict[str, Split]:
        """The validation splits."""
        mend = "check task.validation_splits"
        return {n: check_for_scores(self._split(n), self._name(n), mend) for n in self.validation_splits}

    def test(self) -> dict[str, Split]:
        """The test splits, whose labels of -1 are none."""
        return {name: self._split(name) for name in self.test_splits}

    def _name(self, split: str) -> str:
        return f"{self.repo}/{self.config}/{split}"

    def _split(self, split: str) -> Split:
        rows = self._load(split)
        for word, column in self.columns.roles():
            if column not in rows.column_names:
                raise UserError(
                    f"{self._name(split)} has no column '{column}' but {', '.join(rows.column_names)}: set task.{word}"
                )
        assert self.columns.label is not None
        self._check_names(split, rows.features[self.columns.label])
        values = rows.select_columns([column for _, column in self.columns.roles()]).to_dict()
        labels = values[self.columns.label]
        pairs = values[self.columns.text_pair] if self.columns.text_pair else None
        table = Table(self._name(split), "row", list(range(len(labels))), values[self.columns.text], pairs, labels)
        known = any(label not in (-1, None) for label in labels)
        return to_split(split, table, self.target, label=self.columns.label if known else None, empty_texts=True)

    def _check_names(self, split: str, feature: Any) -> None:
        names = getattr(feature, "names", None)
        if names is not None and tuple(names) != self.labels:
            raise UserError(
                f"{self._name(split)} has the labels {', '.join(names)}, in this order; the task has "
                f"{', '.join(self.labels) or 'none'}: set 'task.labels=[{','.join(names)}]'"
            )

    def _load(self, split: str) -> Any:
        look_for_hub()
        import datasets  # slow to import, and only hub tasks need it

        try:
            return datasets.load_dataset(self.repo, self.config, split=split, revision=self.revision)
        except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
            raise UserError(
                f"{self._name(split)} can't be loaded from the hub ({first_line(error)}); without a network, use the "
                "original files with paths.glue=DIR, or task=docstrings, or your own files with task=files"
            ) from None


@dataclass(frozen=True)
class GlueFiles(TaskSource):
    """A GLUE task in the original layout, ROOT/SST-2/{train,dev,test}.tsv: tabs, no quoting, perhaps no header.

    `skip_damaged`: the published training and development files have rows with a wrong number of cells.
    """

    root: Path
    directory: str
    columns: Columns
    labels: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    skip_damaged: bool = False
    validation_splits: tuple[str, ...] = ("validation",)
    test_splits: tuple[str, ...] = ("test",)

    @property
    def target(self) -> Target:
        """As the task's file in conf/ says."""
        return Target(self.labels)

    def train(self) -> Split:
        """train.tsv."""
        return self._split("train", labelled=True)

    def validation(self) -> dict[str, Split]:
        """dev.tsv, or what else the splits are called: dev_matched.tsv of validation_matched."""
        mend = f"paths.glue={self.root} must hold the original files"
        return {
            name: check_for_scores(self._split(name, labelled=True), str(self._file(name)), mend)
            for name in self.validation_splits
        }

    def test(self) -> dict[str, Split]:
        """test.tsv: the labels were never published."""
        return {name: self._split(name, labelled=False) for name in self.test_splits}

    def _file(self, split: str) -> Path:
        return self.root / self.directory / f"{split.replace('validation', 'dev')}.tsv"

    def _split(self, name: str, *, labelled: bool) -> Split:
        columns = self.columns if labelled else Columns(self.columns.text, self.columns.text_pair, None, "task.tsv_")
        dialect = Dialect(header=self.header, skip_damaged=self.skip_damaged and labelled)
        table = read_table(self._file(name), columns, option=f"paths.glue={self.root}", dialect=dialect)
        if table.skipped > max(10, len(table) / 100):
            raise UserError(
                f"{table.source}: {table.skipped} rows have a wrong number of columns, {len(table)} the right one: "
                f"paths.glue={self.root} must hold the original files"
            )
        # the original QQP has a few pairs of which one question is empty
        return to_split(name, table, self.target, label=columns.label, empty_texts=self.skip_damaged or not labelled)
