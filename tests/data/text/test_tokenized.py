import gzip
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from transformers import BertTokenizerFast

from tests.conftest import sentences
from tests.data.text.test_blocks import build
from tinydistill.data.text import sources, tokenized
from tinydistill.data.text.sources import FilesCorpus
from tinydistill.errors import InputError, RunError


def shards(directory: Path, count: int = 7) -> Path:
    """Files of several kinds; one is empty, and one has a document of no tokens."""
    directory.mkdir()
    for number in range(count):
        texts = sentences(40, number)
        pq.write_table(pa.table({"text": texts}), directory / f"{number}.parquet")
        (directory / f"{number}.txt").write_text("\n\n".join(["\u200b", *texts]) + "\n")
    (directory / "more.txt.gz").write_bytes(gzip.compress(b"the cat sat\n\nthe dog ran\n"))
    (directory / "empty.txt").write_text("")
    return directory


@pytest.fixture(autouse=True)
def one_file_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "PART", 1)


def processes(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(tokenized, "cores", lambda: count)


def test_several_processes_make_the_blocks_of_one(
    tmp_path: Path, tokenizer: BertTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = FilesCorpus(shards(tmp_path / "texts"))
    made = []
    for count in (1, 2):
        processes(monkeypatch, count)
        built = build(corpus, tokenizer, tmp_path / f"cache-{count}")
        made.append((built.train.array.tolist(), built.heldout.array.tolist(), built.summary))
    assert made[0] == made[1]
    assert not list(tmp_path.rglob("part-*"))
    assert not multiprocessing.active_children()


def test_small_files_are_read_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = FilesCorpus(shards(tmp_path / "texts"))
    assert len(corpus.parts()) > 10
    monkeypatch.setattr(sources, "PART", 8_000_000)
    assert len(corpus.parts()) == 1
    assert list(corpus.parts()[0]) == list(corpus.documents())


def test_a_file_that_cannot_be_read_is_named_as_by_one_process(
    tmp_path: Path, tokenizer: BertTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = shards(tmp_path / "texts")
    (directory / "3.txt").write_bytes(b"the cat\n\xff\xfe\n")
    told = []
    for count in (1, 2):
        processes(monkeypatch, count)
        with pytest.raises(InputError) as caught:
            build(FilesCorpus(directory), tokenizer, tmp_path / "cache")
        told.append(str(caught.value))
    assert told[0] == told[1]
    assert "3.txt" in told[0]
    assert not list(tmp_path.rglob("part-*"))
    assert not multiprocessing.active_children()


def test_a_full_disk_is_told_by_the_process_that_writes(
    tmp_path: Path, tokenizer: BertTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes(monkeypatch, 2)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tokenized._Parts, "_write", full)
    with pytest.raises(RunError, match="the disk has no room"):
        build(FilesCorpus(shards(tmp_path / "texts")), tokenizer, tmp_path / "cache")


@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_reading(
    tmp_path: Path, tokenizer: BertTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes(monkeypatch, 2)
    monkeypatch.setattr(tokenized._Parts, "_write", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(RunError, match="a process that read text was ended"):
        build(FilesCorpus(shards(tmp_path / "texts")), tokenizer, tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("part-*"))


def test_who_stops_early_waits_for_nobody(
    tmp_path: Path, tokenizer: BertTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes(monkeypatch, 2)
    backend = tokenizer.backend_tokenizer
    found = tokenized.tokenize(FilesCorpus(shards(tmp_path / "texts")), backend, int, tmp_path)
    next(found)
    found.close()
    assert not multiprocessing.active_children()
