"""Blocks of a corpus as a LightningDataModule: the whole run is one pass over batches that are a function of the seed.

B: blocks in a batch, L: length of a block. A batch is input_ids [B, L], without padding and so without a mask.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from tinydistill.data.loading import Batch, BatchLoader, TrainLoader
from tinydistill.data.one_pass import OnePassDataModule
from tinydistill.data.text.blocks import Blocks, Cutting, build_blocks, known_blocks
from tinydistill.data.text.sources import Corpus
from tinydistill.errors import UserError


@dataclass(frozen=True)
class BatchOrder(Sequence[NDArray[np.int64]]):
    """The block numbers [B] of every batch of this rank: one permutation of the blocks after another.

    What an epoch leaves over begins the next one's first batch, so nothing is lost and all batches have one size. A
    batch is a function of the seed and its number alone, and the ranks' batches are disjoint slices of it.
    """

    blocks: int
    batch_size: int
    batches: int
    seed: int
    world_size: int = 1
    rank: int = 0

    def __len__(self) -> int:
        return self.batches

    def __getitem__(self, batch: Any) -> Any:
        if not 0 <= batch < self.batches:
            raise IndexError(batch)
        first = (batch * self.world_size + self.rank) * self.batch_size
        epochs, places = np.divmod(np.arange(first, first + self.batch_size), self.blocks)
        orders = [_permutation(self.blocks, self.seed, int(e))[places[epochs == e]] for e in np.unique(epochs)]
        return np.concatenate(orders).astype(np.int64)

    def settings(self) -> dict[str, int]:
        """Without the number of batches: a longer run begins with the same ones."""
        settings = asdict(self)
        del settings["rank"], settings["batches"]
        return settings


@lru_cache(maxsize=2)
def _permutation(blocks: int, seed: int, epoch: int) -> NDArray[np.uint32]:
    return np.random.default_rng([seed, epoch]).permutation(np.arange(blocks, dtype=np.uint32))


class TextDataModule(OnePassDataModule):
    """A corpus as training batches and held-out batches, for a Trainer with `use_distributed_sampler=False`.

    Args:
        corpus: where the text comes from.
        tokenizer: a fast tokenizer with [CLS] and [SEP], or begin and end tokens.
        max_length: word pieces in a block, [CLS] and [SEP] among them.
        cache_dir: where blocks are kept between runs.
        heldout_fraction: of the word pieces; whole documents are held out, and at least a few blocks of them.
        heldout_blocks: at most as many blocks are held out.
        options: what messages call the node of the options to change.
        run: what OnePassDataModule takes; the last batch is filled up with blocks of one epoch more. The held-out
            documents don't depend on the seed.
    """

    def __init__(
        self,
        corpus: Corpus,
        tokenizer: PreTrainedTokenizerBase,
        *,
        max_length: int,
        cache_dir: str | Path,
        heldout_fraction: float = 0.02,
        heldout_blocks: int = 256,
        options: str = "general",
        **run: Any,
    ):
        super().__init__(**run)
        self.corpus, self.tokenizer, self.max_length = corpus, tokenizer, max_length
        self.options = options
        self._cutting, self._cache_dir = Cutting(max_length, heldout_fraction, heldout_blocks), cache_dir
        self._blocks: Blocks | None = None

    @property
    def blocks(self) -> Blocks:
        """The corpus as blocks, built or found in the cache on first use.

        Raises:
            UserError: the corpus can't be read, or has less than a training batch and a held-out block.
        """
        if self._blocks is None:
            blocks = build_blocks(self.corpus, self.tokenizer, self._cutting, cache_dir=self._cache_dir)
            if len(blocks.train) < self.batch_size or not len(blocks.heldout):
                raise UserError(
                    f"the corpus is too small: its {blocks.summary['pieces']} word pieces in "
                    f"{blocks.summary['documents']} documents make {len(blocks.train)} training blocks (a batch takes "
                    f"{self.batch_size}) and {len(blocks.heldout)} held-out ones; give it more text, or lower "
                    f"{self.options}.max_length={self.max_length} or "
                    f"{self.options}.batch_size={self.batch_size}"
                )
            self._blocks = blocks
        return self._blocks

    @property
    def cached(self) -> bool:
        """Whether the cache has the blocks, so that no text must be read."""
        return known_blocks(self.corpus, self.tokenizer, self._cutting, cache_dir=self._cache_dir) is not None

    def prepare_data(self) -> None:
        """Builds the blocks, on one process of a machine."""
        _ = self.blocks

    def setup(self, stage: str | None = None) -> None:
        """Opens the blocks, on every process."""
        _ = self.blocks

    @property
    def blocks_in_step(self) -> int:
        """Blocks that an optimiser step learns from, on all devices together."""
        return self.batch_size * self.accumulate * self.world_size

    @property
    def total_steps(self) -> int:
        """Optimiser steps of the whole run."""
        return self.limited(-(-len(self.blocks.train) * self.epochs // self.blocks_in_step))

    @property
    def total_batches(self) -> int:
        """Batches of the whole run on each device: what `len(train_dataloader())` gives."""
        return self.total_steps * self.accumulate

    def train_dataloader(self) -> TrainLoader:
        """All batches of the run, or those that a resumed run still has to do."""
        order = self._order(self.total_batches, self.world_size, self.rank)
        return TrainLoader(self.blocks.train, self.order_of_run(order), self.num_workers, self.processed)

    def val_dataloader(self) -> BatchLoader:
        """The held-out blocks in their order; all of them on every device."""
        numbers = np.arange(len(self.blocks.heldout))
        order = [numbers[i : i + self.batch_size] for i in range(0, len(numbers), self.batch_size)]
        return BatchLoader(self.blocks.heldout, order)

    def heldout_batches(self) -> list[Batch]:
        """The held-out blocks as tensors, without a trainer; the last batch may be smaller."""
        return list(self.val_dataloader())

    def sample_batches(self, pieces: int) -> Iterator[Batch]:
        """The first training batches, about `pieces` word pieces of them or one epoch, without a trainer."""
        in_batch = self.batch_size * self.max_length
        batches = min(-(-pieces // in_batch), len(self.blocks.train) // self.batch_size)
        return iter(BatchLoader(self.blocks.train, self._order(batches)))

    def _order(self, batches: int, world_size: int = 1, rank: int = 0) -> BatchOrder:
        return BatchOrder(len(self.blocks.train), self.batch_size, batches, self.seed, world_size, rank)
