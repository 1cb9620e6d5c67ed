"""What both data modules share: a run of several epochs as one pass over one loader."""

import pytorch_lightning as pl


class OnePassDataModule(pl.LightningDataModule):
    """How long a run is, and which part of it this process reads.

    Args:
        batch_size: rows in a training batch of one device.
        epochs: how often every row is seen.
        max_steps: at most as many optimiser steps; None or -1 for no limit.
        accumulate: batches in an optimiser step.
        seed: of the order of the rows.
        num_workers: processes that read training batches ahead; 0 reads in the training process.
    """

    def __init__(
        self,
        *,
        batch_size: int,
        epochs: int = 1,
        max_steps: int | None = None,
        accumulate: int = 1,
        seed: int = 0,
        num_workers: int = 0,
    ):
        super().__init__()
        self.batch_size, self.epochs, self.accumulate = batch_size, epochs, accumulate
        self.max_steps = max_steps if max_steps is not None and max_steps >= 0 else None
        self.seed, self.num_workers = seed, num_workers

    def limited(self, steps: int) -> int:
        """As many optimiser steps, or max_steps."""
        return steps if self.max_steps is None else min(steps, self.max_steps)

    @property
    def world_size(self) -> int:
        """Devices that share the rows."""
        return self.trainer.world_size if self.trainer else 1

    @property
    def rank(self) -> int:
        """Which of them this is."""
        return self.trainer.global_rank if self.trainer else 0

    def processed(self) -> int:
        """Batches that a resumed run has behind it."""
        return self.trainer.fit_loop.epoch_loop.batch_progress.current.processed if self.trainer else 0
