"""Answers to the rows of a file, kept part by part until all are there: a run that is cut goes on behind them."""

import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tinydistill.artifacts.files import archive_damage, written
from tinydistill.console import say

_FILE = "answers.json"


@dataclass(frozen=True)
class KeptAnswers:
    """What a model answers to some rows of a file.

    Attributes:
        columns: what a table has of it, by the column's name, as JSON knows it.
        cut: rows that were longer than the model reads.
        seconds: that the answers took.
    """

    columns: dict[str, Sequence[Any]]
    cut: int
    seconds: float


class AnswerStore:
    """The answers found so far, in a file for every part of the rows: whole or not there."""

    def __init__(self, directory: Path):
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory

    @property
    def rows(self) -> int:
        """How many rows have an answer."""
        places = [map(int, file.stem.split("-")) for file in self.directory.glob("[0-9]*.zip")]
        return sum(end - first for first, end in places)

    def read(self, first: int, rows: int) -> KeptAnswers | None:
        """The answers to so many rows from the first on; None where there are none, or damaged ones, which is said."""
        file = self._file(first, rows)
        if not file.exists():
            return None
        if wrong := archive_damage(file):
            say(f"{file} is damaged ({wrong}): its rows are answered again")
            return None
        with zipfile.ZipFile(file) as archive:
            return KeptAnswers(**json.loads(archive.read(_FILE)))

    def write(self, first: int, rows: int, answers: KeptAnswers) -> None:
        """Keep the answers to so many rows from the first on."""
        with written(self._file(first, rows)) as partial, zipfile.ZipFile(partial, "w") as archive:
            archive.writestr(_FILE, json.dumps(asdict(answers)), zipfile.ZIP_DEFLATED, compresslevel=1)

    def _file(self, first: int, rows: int) -> Path:
        return self.directory / f"{first:012}-{first + rows:012}.zip"
