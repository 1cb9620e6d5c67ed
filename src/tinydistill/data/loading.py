"""Batches of a data set in a given order, and going on in the middle of them when a run resumes.

B: rows (or blocks) in a batch.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from tinydistill.errors import UserError

Batch = dict[str, torch.Tensor]
RowNumbers = NDArray[np.int64]  # [B]


class Order(Protocol):
    """The rows of every batch of a run, a function of its settings and the batch's number alone."""

    def __len__(self) -> int: ...

    def __getitem__(self, batch: int) -> RowNumbers: ...

    def settings(self) -> dict[str, int]:
        """What makes the batches what they are: a run resumes only with the same."""
        ...


class BatchLoader:
    """Batches of a data set in a given order; the data set is indexed with row numbers [B]."""

    def __init__(self, rows: Dataset[Batch], order: Sequence[RowNumbers] | Order, num_workers: int = 0):
        self.rows, self.order, self.num_workers = rows, order, num_workers
        self.start = 0

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[Batch]:
        remaining = (self.order[batch] for batch in range(self.start, len(self.order)))
        # batch_size=None: what the sampler yields, the row numbers of a whole batch, indexes the data set
        return iter(
            DataLoader(
                self.rows,
                sampler=remaining,
                batch_size=None,
                num_workers=self.num_workers,
                generator=torch.Generator(),  # its own: reading, as in a validation, must not move the global one
            )
        )


class TrainLoader(BatchLoader):
    """A BatchLoader that Lightning's checkpoints take along, so that a resumed run goes on with the next batch.

    `processed` tells how many batches the trainer is through with; the loader itself may be ahead, by prefetching or
    by a batch that failed.
    """

    order: Order

    def __init__(self, rows: Dataset[Batch], order: Order, num_workers: int, processed: Callable[[], int]):
        super().__init__(rows, order, num_workers)
        self._processed = processed

    def state_dict(self) -> dict[str, Any]:
        """How far the trainer is, and in which order of batches."""
        return {"processed": self._processed(), "order": self.order.settings()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Raises UserError where the batches would not be those of the checkpoint's run."""
        for name, now in self.order.settings().items():
            if (then := state["order"][name]) != now:
                raise UserError(
                    f"the checkpoint's run had {name.replace('_', ' ')} {then}, this one has {now}: "
                    "resume with the same settings, or start anew with overwrite=true"
                )
        self.start = state["processed"]
