"""Tasks whose rows are made of docstrings, so that they need no download: some modules train, the others validate."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from tinydistill.artifacts.files import built_once, digest, read_json, write_json
from tinydistill.data.tasks.examples import Split, to_split
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.data.tasks.table import Table
from tinydistill.data.text import docstrings
from tinydistill.errors import InputError

FORMAT = 2  # part of the cache key: raise it when the same docstrings give other rows
MEGABYTES = 9.0  # of docstrings that are read; equal shares of all that are installed
ONE_IN = 5  # modules is for validation

Row = tuple[str, str | None, Any]  # text, second text, label
RowsOf = Callable[[Iterable[docstrings.Module], set[Any]], Iterator[Row]]
"""Makes the rows of modules but those in a set, to which it adds what it makes."""


@dataclass(frozen=True)
class DocstringRows(TaskSource):
    """Labeled rows of docstrings, a function of the installed versions.

    Modules are split, not rows: all rows of a module are on one side, and no row comes twice.

    Args:
        cache_dir: where the rows are kept; reading the docstrings takes some ten seconds.
        train_rows: at most.
        validation_rows: exactly.
    """

    cache_dir: str | Path
    train_rows: int
    validation_rows: int

    name: ClassVar[str]
    """The task's, as its file in conf/task is called."""
    made_of: ClassVar[str]
    """What a row is, in the plural."""
    own_rows: ClassVar[str]
    """The task of the same kind that reads files."""

    def train(self) -> Split:
        """Rows of the modules that validation doesn't use."""
        return self._split("train")

    def validation(self) -> dict[str, Split]:
        """Rows of one module in five."""
        return {"validation": self._split("validation")}

    @abstractmethod
    def build(self, modules: Sequence[docstrings.Module]) -> Mapping[str, Sequence[Row]]:
        """The rows of both splits. Raises InputError where there are too few."""

    def split_by_module(self, modules: Sequence[docstrings.Module], rows_of: RowsOf) -> Mapping[str, Sequence[Row]]:
        """Every fifth module's rows for validation, the others' for training."""
        sides = {"train": [m for n, m in enumerate(modules) if n % ONE_IN], "validation": modules[::ONE_IN]}
        seen: set[Any] = set()
        splits = {}
        for name, wanted in (("validation", self.validation_rows), ("train", self.train_rows)):
            rows = splits[name] = list(islice(rows_of(sides[name], seen), wanted))
            if len(rows) < (wanted if name == "validation" else 1):
                raise InputError(
                    f"the {self.name} task needs {wanted} {self.made_of} for {name}; there are {len(rows)}",
                    f"lower {{DocstringRows.validation_rows}}, or take your own rows with {{task:{self.own_rows}}} and "
                    "{TaskFiles.train}",
                )
        return splits

    def _split(self, name: str) -> Split:
        settings = [FORMAT, docstrings.versions(), self.train_rows, self.validation_rows]
        entry = built_once(Path(self.cache_dir) / f"{self.name}-{digest(settings)}", self._write)
        table = Table(name, **read_json(entry / f"{name}.json"))
        return to_split(name, table, self.target, label="label")

    def _write(self, directory: Path) -> None:
        for name, rows in self.build(list(docstrings.read_modules(MEGABYTES))).items():
            texts, pairs, labels = zip(*rows, strict=True)
            columns = {"texts": texts, "pairs": None if None in pairs else pairs, "labels": labels}
            write_json(directory / f"{name}.json", columns)


def cut_after_word(text: str, most: int) -> str:
    """The text, or its beginning of at most so many characters that ends with a word."""
    return text if len(text) <= most else text[:most].rsplit(" ", 1)[0]
