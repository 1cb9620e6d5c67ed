"""Batches of a data set in a given order, and going on in the middle of an epoch when a run resumes.

B: rows (or blocks) in a batch.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from tinydistill import signals
from tinydistill.errors import InputError

Batch = dict[str, torch.Tensor]
RowNumbers = NDArray[np.int64]  # [B]


class EpochOrder(Sequence[RowNumbers]):
    """The rows of every batch of the epoch that `set_epoch` names, a function of settings, epoch and batch number.

    `counted` is the attribute with the number of all rows.
    """

    counted = "rows"
    epoch = 0

    def __init__(self, batch_size: int, seed: int, world_size: int, rank: int):
        self.batch_size, self.seed, self.world_size, self.rank = batch_size, seed, world_size, rank

    def set_epoch(self, epoch: int) -> None:
        """Go on with another epoch."""
        self.epoch = epoch

    def settings(self) -> dict[str, int]:
        """What makes the batches what they are: a run resumes only with the same."""
        return {name: getattr(self, name) for name in (self.counted, "batch_size", "seed", "world_size")}

    def check(self, settings: dict[str, int]) -> None:
        """Raise InputError where a run with these settings had other batches."""
        for name, now in self.settings().items():
            if (then := settings[name]) != now:
                raise InputError(
                    f"the checkpoint's run had {name.replace('_', ' ')} {then}, this one has {now}",
                    "resume with the same settings, or start anew with {open_artifact.overwrite}",
                )


class BatchLoader:
    """Batches of a data set in a given order; `first` gives the number to begin with when the first one is read.

    Every iteration makes a torch DataLoader. It is none itself, so that Lightning replaces neither order nor sharding.
    The data set is indexed with what the order holds, row numbers [B].
    """

    def __init__(
        self,
        rows: Dataset[Any],
        order: Sequence[Any],
        num_workers: int = 0,
        first: Callable[[], int] = lambda: 0,
    ):
        self.rows, self.order, self.num_workers = rows, order, num_workers
        self._first = first

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[Batch]:
        remaining = (self.order[batch] for batch in range(self._first(), len(self)))
        signals.end_workers()
        # batch_size=None: what the sampler yields, the row numbers of a whole batch, indexes the data set
        yield from DataLoader(
            self.rows,
            sampler=remaining,
            batch_size=None,
            num_workers=self.num_workers,
            worker_init_fn=signals.ignore,
            generator=torch.Generator(),  # its own: reading, as in a validation, must not move the global one
        )

    def state_dict(self) -> dict[str, Any]:
        """Tell Lightning, which looks for both methods, that the loader is resumable: the trainer has its state."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take nothing."""


class ResumableDataModule(pl.LightningDataModule):
    """Training batches that are a function of seed, epoch, number, rank and world size, in whole epochs of Lightning's.

    A subclass says what its arguments mean.
    """

    def __init__(self, *, batch_size: int, seed: int, num_workers: int, cache_dir: str | Path | None):
        super().__init__()
        self.batch_size, self.seed, self.num_workers = batch_size, seed, num_workers
        self._cache_dir = cache_dir

    @cached_property
    def cache_dir(self) -> Path:
        """Where tokens are kept."""
        if self._cache_dir is not None:
            return Path(self._cache_dir)
        # removed with this object; what is still mapped then, Windows keeps
        self._temporary = TemporaryDirectory(prefix="tinydistill-", ignore_cleanup_errors=True)
        return Path(self._temporary.name)

    @property
    def world_size(self) -> int:
        """Devices that share the rows."""
        return self.trainer.world_size if self.trainer else 1

    @property
    def rank(self) -> int:
        """Which of them this is."""
        return self.trainer.global_rank if self.trainer else 0

    @property
    def accumulate_grad_batches(self) -> int:
        """Batches in an optimizer step."""
        return self.trainer.accumulate_grad_batches if self.trainer else 1

    def order(self) -> EpochOrder:
        """The training batches of this rank."""
        raise NotImplementedError

    def loader_of(self, rows: Dataset[Batch]) -> BatchLoader:
        """One epoch of these rows in the order; with `overfit_batches` every epoch is the first one.

        The trainer says which epoch it is in and how many of its batches are done: the loader itself may be ahead, by
        prefetching or by a batch that failed. Lightning restores no state of a loader that `estimated_stepping_batches`
        has asked for before, and would set the epoch after iter(), or one too many where a run with max_steps goes on
        from the end of an epoch; so neither is relied on.
        """
        order = self.order()

        def first() -> int:
            if not (self.trainer and self.trainer.training) or self.trainer.overfit_batches:
                return 0
            order.set_epoch(self.trainer.current_epoch)
            return int(self.trainer.fit_loop.epoch_loop.batch_progress.current.ready)

        return BatchLoader(rows, order, self.num_workers, first)

    def state_dict(self) -> dict[str, Any]:
        """Put into checkpoints what makes the batches what they are."""
        return {"order": self.order().settings()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Raise InputError where the batches would not be those of the checkpoint's run."""
        self.order().check(state_dict["order"])
