"""What both data modules share: which part of the rows a process reads, and where a resumed run goes on."""

from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytorch_lightning as pl
from torch.utils.data import Dataset

from tinydistill.data.loading import Batch, BatchLoader, EpochOrder, TrainLoader


class ResumableDataModule(pl.LightningDataModule):
    """Training batches that are a function of seed, epoch, number, rank and world size; an epoch is one of Lightning's.

    Args:
        batch_size: rows in a training batch of one device.
        seed: of the order of the rows.
        num_workers: processes that read training batches ahead; 0 reads in the training process.
        cache_dir: where tokens are kept between runs; None keeps them as long as this object.
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
        self._temporary = TemporaryDirectory(prefix="tinydistill-")  # removed with this object
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
        """One epoch of these rows in the order; with `overfit_batches` every epoch is the first one."""
        if self.trainer and self.trainer.overfit_batches:
            return BatchLoader(rows, self.order(), self.num_workers)
        return TrainLoader(rows, self.order(), self.num_workers, self._position)

    def _position(self) -> tuple[int, int] | None:
        if not (self.trainer and self.trainer.training):
            return None
        return self.trainer.current_epoch, self.trainer.fit_loop.epoch_loop.batch_progress.current.ready

    def state_dict(self) -> dict[str, Any]:
        """Put into checkpoints what makes the batches what they are."""
        return {"order": self.order().settings()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Raise InputError where the batches would not be those of the checkpoint's run."""
        self.order().check(state_dict["order"])
