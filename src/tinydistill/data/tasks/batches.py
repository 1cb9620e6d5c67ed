"""Batches of encoded rows: which rows go together, and their tensors.

N: rows of a split, B: rows in a batch, L: the longest row's length rounded up, C: outputs of the prediction layer.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from tinydistill.data.loading import Batch, EpochOrder, RowNumbers
from tinydistill.data.tasks.encoding import EncodedRows

MULTIPLE = 8  # lengths are rounded up to it: fewer shapes, and what matrix units like
WINDOW = 50  # batches that are sorted by length together


class RowBatches(Dataset[Batch]):
    """A split's windows as tensors; indexing with their numbers [B] gives a batch.

    A batch holds input_ids and attention_mask [B, L], token_type_ids [B, L] where the tokenizer makes them, row [B] (a
    window's number), and, where there are any, labels [B, ...] (long, or float for real targets) and teacher_logits
    [B, C]. Of rows in windows also valid [B, L], true where a token stands for something; labels and logits that every
    token has are [B, L] and [B, L, C], -100 and 0 between rows.
    """

    def __init__(
        self,
        rows: EncodedRows,
        labels: NDArray[Any] | None,
        *,
        pad: int,
        max_length: int,
        teacher_logits: NDArray[Any] | None = None,
    ):
        for of_rows, what in ((labels, "labels"), (teacher_logits, "teacher logits")):
            if of_rows is not None and len(of_rows) not in (len(rows), len(rows.pieces)):
                raise ValueError(f"{len(of_rows)} rows of {what} for {len(rows)} rows of text")
        self.rows, self.labels, self.teacher_logits = rows, labels, teacher_logits
        self.pad, self.max_length = pad, max_length

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, numbers: RowNumbers) -> Batch:
        starts, lengths = self.rows.offsets[numbers], self.rows.offsets[numbers + 1] - self.rows.offsets[numbers]
        longest = int(lengths.max())
        width = max(longest, min(-(-longest // MULTIPLE) * MULTIPLE, self.max_length))
        mask_BL = np.arange(width) < lengths[:, None]
        places = (starts[:, None] + np.arange(width))[mask_BL]  # of the batch's tokens among all, row after row

        def by_row(values: NDArray[Any], rest: float) -> torch.Tensor:
            """Of every window, or of every token and `rest` between the rows."""
            of_windows = len(values) == len(self.rows)
            return torch.from_numpy(np.array(values[numbers])) if of_windows else _filled(mask_BL, values[places], rest)

        batch = {
            "input_ids": _filled(mask_BL, self.rows.pieces[places].astype(np.int64), self.pad),
            "attention_mask": torch.from_numpy(mask_BL.astype(np.int64)),
            "row": torch.from_numpy(np.array(numbers, np.int64)),
        }
        if self.rows.types is not None:
            batch["token_type_ids"] = _filled(mask_BL, self.rows.types[places].astype(np.int64), 0)
        if self.rows.places is not None:
            batch["valid"] = _filled(mask_BL, self.rows.valid(places), rest=False)
        if self.labels is not None:
            batch["labels"] = by_row(self.labels, -100)
        if self.teacher_logits is not None:
            batch["teacher_logits"] = by_row(self.teacher_logits, 0).float()
        return batch


def _filled(mask_BL: NDArray[np.bool_], values: NDArray[Any], rest: float) -> torch.Tensor:
    full = np.full((*mask_BL.shape, *values.shape[1:]), rest, values.dtype)
    full[mask_BL] = values
    return torch.from_numpy(full)


class LengthOrder(EpochOrder):
    """The row numbers [B] of every batch of an epoch for this rank, rows of like lengths together.

    An epoch is a permutation of the rows, sorted by length within windows of WINDOW batches and cut into batches, which
    are shuffled: a function of seed and epoch alone. It has every row once. Its last batch may be smaller; with several
    ranks, whose batches are disjoint, a few rows of it then come twice, so that no rank goes without.
    """

    def __init__(self, lengths: NDArray[np.int64], batch_size: int, seed: int, world_size: int = 1, rank: int = 0):
        super().__init__(batch_size, seed, world_size, rank)
        self.lengths, self.rows = lengths, len(lengths)
        self._sorted: tuple[int, NDArray[np.int64], NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        return -(-self.rows // (self.batch_size * self.world_size))

    def __getitem__(self, batch: Any) -> Any:
        if not 0 <= batch < len(self):
            raise IndexError(batch)
        if self._sorted is None or self._sorted[0] != self.epoch:
            self._sorted = (self.epoch, *self._sorted_rows())
        _, rows, places = self._sorted
        together = self.batch_size * self.world_size
        first = int(places[batch]) * together
        shared = rows[first : first + together]
        if len(shared) % self.world_size:
            shared = np.resize(shared, -(-len(shared) // self.world_size) * self.world_size)
        return shared[self.rank :: self.world_size]

    def _sorted_rows(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        random = np.random.default_rng([self.seed, self.epoch])
        rows = random.permutation(self.rows)
        windows = np.arange(len(rows)) // (WINDOW * self.batch_size * self.world_size)
        return rows[np.lexsort((self.lengths[rows], windows))], random.permutation(len(self))


def every_row(lengths: NDArray[np.int64], batch_size: int) -> list[RowNumbers]:
    """Batches that hold every row once, the longest first: what doesn't fit into memory shows at once."""
    rows = np.argsort(-lengths, kind="stable")
    return [rows[i : i + batch_size] for i in range(0, len(rows), batch_size)]
