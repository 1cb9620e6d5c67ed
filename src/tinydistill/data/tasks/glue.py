"""GLUE, from the hub or in its original files, and data sets of the same shape on the hub."""

from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from tinydistill.data.formats import hub_rows
from tinydistill.data.tasks.examples import Split, check_for_scores, to_split
from tinydistill.data.tasks.layout import Layout
from tinydistill.data.tasks.sources import UNLABELED, TaskSource
from tinydistill.data.tasks.table import Table
from tinydistill.data.tasks.tables import read_table, read_tables
from tinydistill.data.tasks.targets import Target
from tinydistill.errors import InputError


@dataclass(frozen=True)
class GlueTask(TaskSource):
    """A task as its file in conf/task describes it.

    `root` is where the original files lie, as ROOT/SST-2/{train,dev,test}.tsv: tabs, no quoting, perhaps no header;
    None for the hub's `repo` and `config`. What the original files have otherwise is in tsv_*: columns, all of them
    where no header names them, and whether to leave out rows of a wrong number of cells, which some published files
    have. The splits are named as on the hub: validation_matched is dev_matched.tsv.
    """

    empty_texts: ClassVar[bool] = True

    root: str | Path | None = None
    _: KW_ONLY
    config: str
    text: str
    text_pair: str | None = None
    label: str = "label"
    labels: Sequence[Any] = ()
    directory: str = ""
    tsv_text: str | None = None
    tsv_text_pair: str | None = None
    tsv_label: str | None = None
    tsv_header: Sequence[str] = ()
    tsv_skip_damaged: bool = False
    validation_splits: Sequence[str] = ("validation",)
    test_splits: Sequence[str] = ("test",)
    repo: str = "nyu-mll/glue"
    revision: str | None = None

    @property
    def target(self) -> Target:
        """As the task's file in conf/task says."""
        return Target(tuple(self.labels))

    def train(self) -> Split:
        """The split called train."""
        return self._split("train")

    def validation(self) -> dict[str, Split]:
        """The validation splits, or dev.tsv."""
        advice = "check {GlueTask.validation_splits}" if self.root is None else self._original
        return {n: check_for_scores(self._split(n), self._source(n), advice) for n in self.validation_splits}

    def test(self) -> dict[str, Split]:
        """The test splits, whose labels were mostly not published."""
        return {name: self._split(name, test=True) for name in self.test_splits}

    def tables(self, file: str, at_once: int | None = None, *, argument: str = UNLABELED) -> Iterator[Table]:
        """Rows of another file, a test file of the original ones or of another task, with the task's columns."""
        columns = self._layout() if self.root is not None else Layout(self.text, self.text_pair, arguments="GlueTask.")
        return read_tables(file, replace(columns, label=None, keep=True), argument=argument, at_once=at_once)

    @property
    def _original(self) -> str:
        return f"{{GlueTask.root}}={self.root} must hold the original files"

    def _source(self, split: str) -> str:
        if self.root is None:
            return f"{self.repo}/{self.config}/{split}"
        return str(Path(self.root, self.directory, f"{split.replace('validation', 'dev')}.tsv"))

    def _split(self, name: str, *, test: bool = False) -> Split:
        table = self._hub_table(name) if self.root is None else self._tsv_table(name, test=test)
        # the hub has texts without a word, and the original QQP pairs of which one question is empty
        empty = self.root is None or self.tsv_skip_damaged or test
        label = self.label if self.root is None else self.tsv_label or self.label
        return to_split(name, table, self.target, label=label if table.labeled else None, empty_texts=empty)

    def _hub_table(self, split: str) -> Table:
        name = self._source(split)
        offline = "the original files with {GlueTask.root}, {task:docstrings}, or your own files with {task:files}"
        rows = hub_rows(name, self.repo, self.config, split, self.revision, advice=offline)
        layout = Layout(self.text, self.text_pair, self.label, "GlueTask.")
        return read_table(rows, layout, argument="{GlueTask.repo}", name=name)

    def _tsv_table(self, split: str, *, test: bool) -> Table:
        layout = self._layout()
        if test:
            layout = replace(layout, label=None, skip_damaged=False)
        table = read_table(self._source(split), layout, argument="{GlueTask.root}")
        if table.skipped > max(10, len(table) / 100):
            raise InputError(
                f"{table.source}: {table.skipped} rows have a wrong number of columns, {len(table)} the right one",
                self._original,
            )
        return table

    def _layout(self) -> Layout:
        return Layout(
            self.tsv_text or self.text,
            self.tsv_text_pair or self.text_pair,
            self.tsv_label or self.label,
            "GlueTask.tsv_",
            header=self.tsv_header,
            skip_damaged=self.tsv_skip_damaged,
        )
