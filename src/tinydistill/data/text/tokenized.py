"""The documents of a corpus as tokens, in their order: in this process, or in several where the corpus has parts."""

import hashlib
import multiprocessing
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from tokenizers import Tokenizer
from torch.utils.data import DataLoader, Dataset

from tinydistill import signals
from tinydistill.artifacts.disk import writing
from tinydistill.console import Meter
from tinydistill.data.text.packing import TokenIds
from tinydistill.data.text.sources import Corpus
from tinydistill.data.text.token_ids import Encode, encoder, one_tokenizer_thread, tokenizer_threads
from tinydistill.errors import InputError, RunError

TEXT_AT_ONCE = 500_000  # characters that go through the tokenizer together, shared among its threads
MOST_PROCESSES = 8
_RECORD = np.dtype([("characters", "<u4"), ("key", "<u8"), ("tokens", "<u4")])


class Document(NamedTuple):
    """A document: its length in characters, the hash of its text, and its tokens without special ones."""

    characters: int
    key: int
    tokens: TokenIds


def tokenize(corpus: Corpus, backend: Tokenizer, dtype: type, work: Path) -> Iterator[Document]:
    """The documents that have any tokens; what other processes have ready waits in files of the directory `work`.

    Progress is shown where it takes longer than five seconds.
    """
    parts = corpus.parts()
    processes = min(cores(), len(parts), MOST_PROCESSES)
    if processes > 1:
        found = _in_processes(_Parts(parts, backend, dtype, work), processes)
    else:
        found = _in_this_process(corpus.documents(), backend, dtype)
    with Meter("tokenizing text", "character") as meter:
        for document in found:
            meter.update(document.characters)
            if len(document.tokens):
                yield document


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _in_this_process(texts: Iterable[str], backend: Tokenizer, dtype: type) -> Iterator[Document]:
    with tokenizer_threads():
        yield from _documents(texts, encoder(backend, dtype))


def _documents(texts: Iterable[str], encode: Encode) -> Iterator[Document]:
    for some in batched(texts):
        for text, tokens in zip(some, encode(some), strict=True):
            key = hashlib.blake2b(text.encode(), digest_size=8).digest()
            yield Document(len(text), int.from_bytes(key, "big"), tokens)


def batched(texts: Iterable[str]) -> Iterator[list[str]]:
    """Texts in lists of at least TEXT_AT_ONCE characters."""
    some: list[str] = []
    size = 0
    for text in texts:
        some.append(text)
        size += len(text)
        if size >= TEXT_AT_ONCE:
            yield some
            some, size = [], 0
    if some:
        yield some


class _Parts(Dataset[Path | Exception]):
    """The parts of a corpus: indexing with a number writes that part's documents to a directory, and gives its path.

    What can't be read or written is given back in place of it, for the process that asks to raise.
    """

    def __init__(self, parts: Sequence[Iterable[str]], backend: Tokenizer, dtype: type, work: Path):
        self.parts, self.backend, self.dtype, self.work = parts, backend, dtype, work
        self.stopped = multiprocessing.Event()  # nobody waits for the rest of a part any more

    @cached_property
    def encode(self) -> Encode:
        """A process's own, which knows more words with every part."""
        return encoder(self.backend, self.dtype)

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, number: int) -> Path | Exception:
        place = self.work / f"part-{number}"
        try:
            with writing(place):
                self._write(number, place)
        except (InputError, RunError) as error:
            return error
        return place

    def _write(self, number: int, place: Path) -> None:
        place.mkdir()
        records = []
        with (place / "tokens").open("wb") as file:
            for document in _documents(self.parts[number], self.encode):
                if self.stopped.is_set():
                    return
                document.tokens.tofile(file)
                records.append((document.characters, document.key, len(document.tokens)))
        np.array(records, _RECORD).tofile(place / "documents")

    def read(self, place: Path) -> Iterator[Document]:
        """The documents of a directory, which is removed."""
        with (place / "tokens").open("rb") as file:
            for characters, key, tokens in np.fromfile(place / "documents", _RECORD).tolist():
                yield Document(characters, key, np.fromfile(file, self.dtype, tokens))
        shutil.rmtree(place)


def _in_processes(parts: _Parts, processes: int) -> Iterator[Document]:
    """The documents of all parts in their order; each process is at most two parts ahead."""
    signals.end_workers()
    loader = DataLoader(
        parts,
        batch_size=None,
        num_workers=processes,
        worker_init_fn=_begin_worker,
        generator=torch.Generator(),  # its own: reading must not move the global one
    )
    written = iter(loader)
    try:
        for part in written:
            if isinstance(part, Exception):
                raise part
            yield from parts.read(part)
    except RuntimeError as error:  # of the loader, where the system has killed one
        raise RunError(f"a process that read text was ended ({error}); the same command reads it again") from error
    finally:
        parts.stopped.set()
        del written  # ends the processes


def _begin_worker(_: int) -> None:
    signals.ignore()
    one_tokenizer_thread()
