"""Text in blocks as a LightningDataModule: an epoch is every block once, in an order that is a function of the seed.

B: blocks in a batch, L: length of a block. A batch is input_ids [B, L], without padding and so without a mask.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import StackDataset
from transformers import PreTrainedTokenizerBase

from tinydistill.data.loading import Batch, BatchLoader, EpochOrder, ResumableDataModule
from tinydistill.data.text.blocks import Blocks, Cutting, build_blocks, has_blocks
from tinydistill.data.text.masking import MaskingVocabulary, Rules, generator, mask_pieces
from tinydistill.data.text.sources import Corpus, TextsCorpus
from tinydistill.errors import InputError

_HELD_OUT = 1  # the key of the random numbers that mask held-out blocks


class BlockOrder(EpochOrder):
    """The block numbers [B] of every batch of an epoch for this rank: a permutation of the blocks.

    All batches have one size, and their number is a multiple of `multiple`: the last ones are filled up with the first
    blocks of the next epoch. The ranks' batches are disjoint slices of one large batch.
    """

    counted = "blocks"

    def __init__(self, blocks: int, batch_size: int, seed: int, world_size: int = 1, rank: int = 0, multiple: int = 1):
        super().__init__(batch_size, seed, world_size, rank)
        self.blocks, self.multiple = blocks, multiple

    def __len__(self) -> int:
        return -(-self.blocks // (self.batch_size * self.world_size * self.multiple)) * self.multiple

    def __getitem__(self, batch: Any) -> Any:
        if not 0 <= batch < len(self):
            raise IndexError(batch)
        first = (batch * self.world_size + self.rank) * self.batch_size
        later, places = np.divmod(np.arange(first, first + self.batch_size), self.blocks)
        epochs = np.unique(later)
        rows = [_permutation(self.blocks, self.seed, self.epoch + int(e))[places[later == e]] for e in epochs]
        return np.concatenate(rows).astype(np.int64)


@lru_cache(maxsize=2)
def _permutation(blocks: int, seed: int, epoch: int) -> NDArray[np.uint32]:
    return np.random.default_rng([seed, epoch]).permutation(np.arange(blocks, dtype=np.uint32))


class TextDataModule(ResumableDataModule):
    """Plain text as training batches and held-out batches of blocks.

    Args:
        corpus: where the text comes from, or the texts themselves.
        tokenizer: a fast tokenizer with [CLS] and [SEP], or begin and end tokens.
        max_length: tokens in a block, [CLS] and [SEP] among them.
        batch_size: blocks in a batch of one device.
        seed: of the order of the blocks; which documents are held out doesn't depend on it.
        cache_dir: where blocks are kept between runs; None keeps them as long as this object.
        heldout_fraction: of the tokens; whole documents are held out, and at least a few blocks of them.
        heldout_blocks: at most as many blocks are held out.
        num_workers: processes that read training batches ahead.
    """

    def __init__(
        self,
        corpus: Corpus | Sequence[str],
        tokenizer: PreTrainedTokenizerBase,
        *,
        max_length: int = 128,
        batch_size: int = 64,
        seed: int = 0,
        cache_dir: str | Path | None = None,
        heldout_fraction: float = 0.02,
        heldout_blocks: int = 256,
        num_workers: int = 0,
    ):
        super().__init__(batch_size=batch_size, seed=seed, num_workers=num_workers, cache_dir=cache_dir)
        self.corpus = corpus if isinstance(corpus, Corpus) else TextsCorpus(corpus)
        self.tokenizer, self.max_length = tokenizer, max_length
        self._cutting = Cutting(max_length, heldout_fraction, heldout_blocks)
        self._blocks: Blocks | None = None

    @property
    def blocks(self) -> Blocks:
        """The corpus as blocks, built or found in the cache on first use.

        Raises InputError where the corpus can't be read, or has less than a training batch and a held-out block.
        """
        if self._blocks is None:
            blocks = build_blocks(self.corpus, self.tokenizer, self._cutting, cache_dir=self.cache_dir)
            if len(blocks.train) < self.batch_size or not len(blocks.heldout):
                raise InputError(
                    f"the corpus is too small: its {blocks.summary['pieces']} tokens in "
                    f"{blocks.summary['documents']} documents make {len(blocks.train)} training blocks (a batch takes "
                    f"{self.batch_size}) and {len(blocks.heldout)} held-out ones",
                    f"give it more text, or lower {{TextDataModule.max_length}}={self.max_length} or "
                    f"{{TextDataModule.batch_size}}={self.batch_size}",
                )
            self._blocks = blocks
        return self._blocks

    @property
    def cached(self) -> bool:
        """Whether the cache has the blocks, so that no text must be read."""
        return has_blocks(self.corpus, self.tokenizer, self._cutting, cache_dir=self.cache_dir)

    def prepare_data(self) -> None:
        """Build the blocks, on one process of a machine."""
        _ = self.blocks

    def setup(self, stage: str | None = None) -> None:
        """Open the blocks, on every process."""
        _ = self.blocks

    @property
    def blocks_in_step(self) -> int:
        """Blocks that an optimizer step learns from, on all devices together."""
        return self.batch_size * self.accumulate_grad_batches * self.world_size

    def order(self) -> BlockOrder:
        """The training batches of this rank; an epoch of them is made of whole optimizer steps."""
        return BlockOrder(
            len(self.blocks.train),
            self.batch_size,
            self.seed,
            self.world_size,
            self.rank,
            multiple=self.accumulate_grad_batches,
        )

    def train_dataloader(self) -> BatchLoader:
        """One epoch."""
        return self.loader_of(self.blocks.train)

    def val_dataloader(self) -> BatchLoader:
        """The held-out blocks in their order; all of them on every device."""
        numbers = np.arange(len(self.blocks.heldout))
        order = [numbers[i : i + self.batch_size] for i in range(0, len(numbers), self.batch_size)]
        return BatchLoader(self.blocks.heldout, order)

    def heldout_batches(self) -> BatchLoader:
        """The held-out blocks, without a trainer; the last batch may be smaller."""
        return self.val_dataloader()

    def sample_batches(self, tokens: int) -> Iterator[Batch]:
        """The first training batches, about so many tokens of them or one epoch, without a trainer."""
        order = BlockOrder(len(self.blocks.train), self.batch_size, self.seed)
        batches = min(-(-tokens // (self.batch_size * self.max_length)), len(self.blocks.train) // self.batch_size)
        return iter(BatchLoader(self.blocks.train, [order[batch] for batch in range(batches)]))


class MaskedTextDataModule(TextDataModule):
    """A TextDataModule whose held-out batches hold labels [B, L] as well; the model itself masks what it trains on.

    Args:
        vocabulary: of the tokenizer.
        masked_share: of the held-out tokens that are asked for; all of them read as the mask token.
        options: what a TextDataModule takes.
    """

    def __init__(self, *arguments: Any, vocabulary: MaskingVocabulary, masked_share: float = 0.15, **options: Any):
        super().__init__(*arguments, **options)
        self.vocabulary, self.masked_share = vocabulary, masked_share

    @cached_property
    def masked(self) -> StackDataset:
        """The held-out blocks, masked the same in every run."""
        ids = self.blocks.heldout[np.arange(len(self.blocks.heldout))]["input_ids"]
        masked = mask_pieces(ids, self.vocabulary, Rules(self.masked_share), generator(_HELD_OUT))
        return StackDataset(**masked._asdict())

    def val_dataloader(self) -> BatchLoader:
        """The held-out blocks in their order; all of them on every device."""
        return BatchLoader(self.masked, super().val_dataloader().order)
