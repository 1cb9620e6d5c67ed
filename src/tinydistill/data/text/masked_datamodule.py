"""Plain text for a masked language model: held-out blocks are masked the same in every run."""

from functools import cached_property
from typing import Any

from tinydistill.data.loading import BatchLoader
from tinydistill.data.text.datamodule import TextDataModule
from tinydistill.data.text.masking import MaskedBlocks, MaskingVocabulary, Rules

_HELD_OUT = 1  # the key of its random numbers


class MaskedTextDataModule(TextDataModule):
    """A TextDataModule whose held-out batches hold labels [B, L] as well; the model itself masks what it trains on.

    Args:
        vocabulary: of the tokenizer.
        masked_share: of the held-out tokens that are predicted; all of them read as the mask token.
        options: what a TextDataModule takes.
    """

    def __init__(self, *arguments: Any, vocabulary: MaskingVocabulary, masked_share: float = 0.15, **options: Any):
        super().__init__(*arguments, **options)
        self.vocabulary, self.masked_share = vocabulary, masked_share

    @cached_property
    def masked(self) -> MaskedBlocks:
        """The held-out blocks."""
        blocks = self.blocks.heldout
        return MaskedBlocks(blocks, len(blocks), self.vocabulary, Rules(self.masked_share), _HELD_OUT)

    def val_dataloader(self) -> BatchLoader:
        """The held-out blocks in their order; all of them on every device."""
        return BatchLoader(self.masked, super().val_dataloader().order)
