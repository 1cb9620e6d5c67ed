"""Tokens packed into blocks, and blocks on disk. L: length of a block.

A block is `[CLS] tokens … [SEP]`, with a `[SEP]` between the documents inside; there is no padding.
"""

import heapq
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

PIECES_AT_ONCE = 1 << 20  # tokens gathered before they are written

TokenIds = NDArray[Any]  # [tokens], uint16 or int32


class BlockFile(Dataset[dict[str, torch.Tensor]]):
    """Blocks [n, L] in a memory-mapped .npy file; indexing with block numbers [B] gives a batch."""

    def __init__(self, path: Path):
        self.path = path
        self.array: NDArray[Any] = np.load(path, mmap_mode="r")

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, blocks: NDArray[np.int64]) -> dict[str, torch.Tensor]:
        return {"input_ids": torch.from_numpy(self.array[blocks].astype(np.int64))}

    def __reduce__(self) -> tuple[type, tuple[Path]]:
        return BlockFile, (self.path,)  # for workers: the path, not the data


class HeldOut:
    """Keeps the documents whose texts have the smallest hashes, as many as make up the wanted number of pieces.

    Which ones these are depends on no order. Copies of a text stay together, and count once.
    """

    def __init__(self, capacity: int):
        self._capacity = capacity
        self._kept: dict[int, tuple[TokenIds, int]] = {}  # by hash of the text: its tokens, and how many copies
        self._largest: list[int] = []  # heap of negated hashes
        self._limit = 1 << 64  # hashes from here on are for training
        self._size = 0

    def offer(self, key: int, pieces: TokenIds) -> list[TokenIds]:
        """Takes a document in by the hash of its text, of 64 bits; gives back those that go to training."""
        if key >= self._limit:
            return [pieces]
        if key in self._kept:
            self._kept[key] = (pieces, self._kept[key][1] + 1)
            return []
        heapq.heappush(self._largest, -key)
        self._kept[key] = (pieces, 1)
        self._size += len(pieces) + 1
        return self.shrink(self._capacity)

    def shrink(self, wanted: float) -> list[TokenIds]:
        """Gives back documents, largest hash first and with their copies, while at least `wanted` pieces remain."""
        returned: list[TokenIds] = []
        wanted = min(wanted, self._capacity)
        while self._kept:
            key = -self._largest[0]
            pieces, copies = self._kept[key]
            if self._size - len(pieces) - 1 < wanted:
                break
            heapq.heappop(self._largest)
            del self._kept[key]
            returned += [pieces] * copies
            self._size -= len(pieces) + 1
            self._limit = key
        return returned

    def documents(self) -> list[TokenIds]:
        """What is kept, in the order of the hashes."""
        return [self._kept[key][0] for key in sorted(self._kept)]


class BlockWriter:
    """Packs documents into blocks and appends these to a .npy file; what doesn't fill the last block is dropped."""

    def __init__(self, path: Path, length: int, begin: int, end: int, dtype: type, max_blocks: int | None = None):
        self._file = path.open("wb")
        self._length, self._begin, self._end, self._dtype = length, begin, end, np.dtype(dtype)
        self._max_blocks = max_blocks
        self._separator: TokenIds = np.array([end], dtype=dtype)
        self._waiting: list[TokenIds] = []
        self._size = 0
        self.blocks = 0
        self._write_header()

    def add(self, documents: Iterable[TokenIds]) -> None:
        """Appends documents, each with its separator."""
        for pieces in documents:
            self._waiting += [pieces, self._separator]
            self._size += len(pieces) + 1
        if self._size >= PIECES_AT_ONCE:
            self._write()

    def _write(self) -> None:
        stream = np.concatenate([*self._waiting, self._separator[:0]])
        width = self._length - 2
        n = len(stream) // width
        if self._max_blocks is not None:
            n = min(n, self._max_blocks - self.blocks)
        blocks = np.empty((n, self._length), self._dtype)
        blocks[:, 0], blocks[:, -1] = self._begin, self._end
        blocks[:, 1:-1] = stream[: n * width].reshape(n, width)
        self._file.write(blocks.tobytes())
        self.blocks += n
        rest = stream[n * width :].copy()
        self._waiting, self._size = [rest], len(rest)

    def _write_header(self) -> None:
        """numpy leaves room in the header for the first axis to grow, so the final one fits over the first."""
        header = {"descr": self._dtype.str, "fortran_order": False, "shape": (self.blocks, self._length)}
        np.lib.format.write_array_header_1_0(self._file, header)

    def __enter__(self) -> "BlockWriter":
        return self

    def __exit__(self, *exception: object) -> None:
        with self._file:
            if exception[0] is None:
                self._write()
                self._file.seek(0)
                self._write_header()
