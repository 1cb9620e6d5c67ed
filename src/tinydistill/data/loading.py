"""Batches of a data set in a given order, and going on in the middle of an epoch when a run resumes.

B: rows (or blocks) in a batch.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from tinydistill.errors import InputError

Batch = dict[str, torch.Tensor]
RowNumbers = NDArray[np.int64]  # [B]


class EpochOrder(Sequence[RowNumbers]):
    """The rows of every batch of the epoch that `set_epoch` names, a function of settings, epoch and batch number."""

    epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Go on with another epoch; Lightning calls it as it does for torch's DistributedSampler."""
        self.epoch = epoch

    def settings(self) -> dict[str, int]:
        """What makes the batches what they are: a run resumes only with the same."""
        raise NotImplementedError

    def check(self, settings: dict[str, int]) -> None:
        """Raise InputError where a run with these settings had other batches."""
        for name, now in self.settings().items():
            if (then := settings[name]) != now:
                raise InputError(
                    f"the checkpoint's run had {name.replace('_', ' ')} {then}, this one has {now}",
                    "resume with the same settings, or start anew with {open_artifact.overwrite}",
                )


class BatchLoader:
    """Batches of a data set in a given order; the data set is indexed with row numbers [B].

    Every iteration makes a torch DataLoader. It is none itself, so that Lightning replaces neither order nor sharding.
    """

    def __init__(self, rows: Dataset[Batch], order: Sequence[RowNumbers], num_workers: int = 0):
        self.rows, self.order, self.num_workers = rows, order, num_workers

    def __len__(self) -> int:
        return len(self.order)

    def first(self) -> int:
        """The batch to begin with, asked for when the first one is read."""
        return 0

    def __iter__(self) -> Iterator[Batch]:
        remaining = (self.order[batch] for batch in range(self.first(), len(self)))
        # batch_size=None: what the sampler yields, the row numbers of a whole batch, indexes the data set
        yield from DataLoader(
            self.rows,
            sampler=remaining,
            batch_size=None,
            num_workers=self.num_workers,
            generator=torch.Generator(),  # its own: reading, as in a validation, must not move the global one
        )


class TrainLoader(BatchLoader):
    """An epoch in the order that is the epoch's; a resumed run goes on with the next batch of its epoch.

    `position` tells which epoch a trainer is in and how many of its batches are done, None without a trainer: the
    loader itself may be ahead, by prefetching or by a batch that failed. Lightning restores no state of a loader that
    `estimated_stepping_batches` has asked for before, and calls `set_epoch` after iter(), or with an epoch too many
    where a run with max_steps goes on from the end of an epoch; so neither is relied on.
    """

    order: EpochOrder

    def __init__(
        self,
        rows: Dataset[Batch],
        order: EpochOrder,
        num_workers: int = 0,
        position: Callable[[], tuple[int, int] | None] = lambda: None,
    ):
        super().__init__(rows, order, num_workers)
        self._position = position

    @property
    def sampler(self) -> EpochOrder:
        """Where Lightning looks for `set_epoch`."""
        return self.order

    def first(self) -> int:
        """The batch to begin with: not 0 where a run resumes in the middle of an epoch."""
        position = self._position()
        if position is None:
            return 0
        self.order.set_epoch(position[0])
        return position[1]

    def state_dict(self) -> dict[str, Any]:
        """Tell Lightning, which looks for both methods, that the loader is resumable: the trainer has its state."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take nothing."""
