"""Small corpora that the tests of the data layer share."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import BertTokenizerFast

from tests.conftest import WORDS, sentences
from tinydistill.config.compose import composed
from tinydistill.config.schema.data import Task
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.data.tasks.targets import Target
from tinydistill.data.text.sources import Corpus
from tinydistill.errors import InputError


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


TSV_ODDITIES = "a \"quoted' word", "emoji 😀 and é\u2028漢字", "twice", "twice", '"', "  spaces around  "


@pytest.fixture
def glue(tmp_path: Path) -> Path:
    """The original GLUE layout with its oddities: five tasks, six training rows and three development rows each."""
    texts, pairs = TSV_ODDITIES, [f"the cat sat {number}" for number in range(6)]
    layout = {
        "SST-2/{}.tsv": ("sentence\tlabel", "{text}\t{number}"),
        "MRPC/{}.tsv": ("\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String", "{number}\t1\t2\t{text}\t{pair}"),
        "CoLA/{}.tsv": (None, "gj04\t{number}\t*\t{text}"),
        "STS-B/{}.tsv": ("index\tsentence1\tsentence2\tscore", "{row}\t{text}\t{pair}\t{number}.250"),
        "QQP/{}.tsv": ("id\tquestion1\tquestion2\tis_duplicate", "{row}\t{text}\t{pair}\t{number}"),
    }
    tests = {
        "SST-2": ("index\tsentence", "{row}\t{text}"),
        "MRPC": ("index\t#1 ID\t#2 ID\t#1 String\t#2 String", "{row}\t1\t2\t{text}\t{pair}"),
        "CoLA": ("index\tsentence", "{row}\t{text}"),
        "STS-B": ("index\tsentence1\tsentence2", "{row}\t{text}\t{pair}"),
        "QQP": ("id\tquestion1\tquestion2", "{row}\t{text}\t{pair}"),
    }

    def write(name: str, header: str | None, line: str, rows: int) -> None:
        lines = [line.format(text=texts[i], pair=pairs[i], number=i % 2, row=i) for i in range(rows)]
        file = tmp_path / "glue" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join([*([header] if header else []), *lines]) + "\n", encoding="utf-8", newline="\n")

    for name, (header, line) in layout.items():
        for split, rows in {"train": 6, "dev": 3}.items():
            write(name.format(split), header, line, rows)
    for directory, (header, line) in tests.items():
        write(f"{directory}/test.tsv", header, line, 4)
    mnli = "index\tsentence1\tsentence2\tlabel1\tgold_label"
    names = ("entailment", "neutral", "contradiction")
    for split in ("train", "dev_matched", "dev_mismatched"):
        lines = [f"{i}\t{split} {texts[i]}\t{pairs[i]}\tneutral\t{names[i % 3]}" for i in range(4)]
        (tmp_path / "glue/MNLI").mkdir(exist_ok=True)
        (tmp_path / f"glue/MNLI/{split}.tsv").write_text("\n".join([mnli, *lines]) + "\n", encoding="utf-8")
    return tmp_path / "glue"


def task_options(task: str, *overrides: str) -> Task:
    """What task=TASK comes to."""
    return composed([f"task={task}", *overrides]).task


def task_complaint(source: TaskSource) -> str:
    """What is wrong with a task, in one line, with the arguments' full names."""
    with pytest.raises(InputError) as error:
        source.train(), source.validation(), source.test()
    assert "\n" not in str(error.value)
    return error.value.told(str)


@dataclass(frozen=True)
class GivenTask(TaskSource):
    """A task of which every split is `count` rows of 1 to 9 words, in two columns if `pairs`."""

    count: int = 50
    pairs: bool = False
    regression: bool = False

    @property
    def target(self) -> Target:
        return Target() if self.regression else Target(("no", "yes"))

    def split(self, name: str, seed: int, labeled: bool = True) -> Split:
        random = np.random.default_rng(seed)
        columns = [[" ".join(random.choice(WORDS, random.integers(1, 10))) for _ in range(self.count)] for _ in "ab"]
        labels = random.normal(size=self.count).astype(np.float32) if self.regression else np.arange(self.count) % 2
        return Split(name, columns[0], columns[1] if self.pairs else None, labels if labeled else None)

    def train(self) -> Split:
        return self.split("train", 0)

    def validation(self) -> dict[str, Split]:
        return {name: self.split(name, seed) for seed, name in enumerate(("matched", "mismatched"), 1)}

    def test(self) -> dict[str, Split]:
        return {"test": self.split("test", 3, labeled=False)}


@pytest.fixture
def task_module(tokenizer: BertTokenizerFast, cache: Path) -> Any:
    def make(source: TaskSource | None = None, **options: Any) -> TaskDataModule:
        settings = {"tokenizer": tokenizer, "max_length": 12, "batch_size": 4, "cache_dir": cache, **options}
        return TaskDataModule(source or GivenTask(), **settings)

    return make
