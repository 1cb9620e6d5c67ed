"""Small corpora that the tests of the data layer share."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import sentences
from tinydistill.data.sources import Corpus


@dataclass(frozen=True)
class ListCorpus(Corpus):
    """Documents given as they are; `reads` has an entry for every time that they were read."""

    texts: tuple[str, ...]
    reads: list[int]

    def documents(self) -> Iterator[str]:
        self.reads.append(len(self.texts))
        yield from self.texts

    def identity(self) -> str:
        return "\n\n".join(self.texts)


@pytest.fixture
def corpus() -> ListCorpus:
    """120 documents of 12 to 48 words."""
    return ListCorpus(tuple(" ".join(sentences(1 + seed % 4, seed)) for seed in range(120)), [])


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"
