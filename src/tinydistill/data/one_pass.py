"""What both data modules share: a run of several epochs as one pass over one loader."""

from dataclasses import dataclass

import pytorch_lightning as pl

from tinydistill.data.loading import Order, RowNumbers


@dataclass(frozen=True)
class FirstBatchAgain:
    """The first batch of an order, as often as that has batches."""

    order: Order

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, batch: int) -> RowNumbers:
        if not 0 <= batch < len(self):
            raise IndexError(batch)
        return self.order[0]

    def settings(self) -> dict[str, int]:
        """As of the order."""
        return self.order.settings()


class OnePassDataModule(pl.LightningDataModule):
    """How long a run is, and which part of it this process reads.

    Args:
        batch_size: rows in a training batch of one device.
        epochs: how often every row is seen.
        max_steps: at most as many optimiser steps; None or -1 for no limit.
        share: of the steps that these make, the first ones.
        accumulate: batches in an optimiser step.
        seed: of the order of the rows.
        num_workers: processes that read training batches ahead; 0 reads in the training process.
        overfit: every batch of the run is the first one.
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
        share: float = 1.0,
        overfit: bool = False,
    ):
        super().__init__()
        self.batch_size, self.epochs, self.accumulate = batch_size, epochs, accumulate
        self.max_steps = max_steps if max_steps is not None and max_steps >= 0 else None
        self.seed, self.num_workers = seed, num_workers
        self.share, self.overfit = share, overfit

    def limited(self, steps: int) -> int:
        """As many optimiser steps, or the share of them, or max_steps."""
        steps = max(1, round(self.share * steps))
        return steps if self.max_steps is None else min(steps, self.max_steps)

    def order_of_run(self, order: Order) -> Order:
        """The batches of the run, where an order has been made of the rows."""
        return FirstBatchAgain(order) if self.overfit else order

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
