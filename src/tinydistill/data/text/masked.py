"""Text in blocks for a masked language model: held-out blocks are masked the same in every run."""

from typing import Any

from transformers import PreTrainedTokenizerBase

from tinydistill.data.loading import BatchLoader
from tinydistill.data.text.datamodule import TextDataModule
from tinydistill.data.text.masking import MaskedBlocks, MaskingVocabulary, Rules
from tinydistill.data.text.sources import Corpus

_HELD_OUT = 1  # the key of its random numbers


class MaskedTextDataModule(TextDataModule):
    """Training blocks as they are, which a MaskedLanguageModel masks; held-out blocks with all that is asked for masked.

    Args:
        corpus: where the text comes from.
        tokenizer: a fast one.
        vocabulary: what masking knows of it.
        masked_share: of the held-out tokens.
        options: as TextDataModule takes them.
    """

    def __init__(
        self,
        corpus: Corpus,
        tokenizer: PreTrainedTokenizerBase,
        *,
        vocabulary: MaskingVocabulary,
        masked_share: float,
        **options: Any,
    ):
        super().__init__(corpus, tokenizer, **options)
        self.vocabulary, self.masked_share = vocabulary, masked_share

    def val_dataloader(self) -> BatchLoader:
        """The masked held-out blocks in their order; all of them on every device."""
        blocks = self.blocks.heldout
        masked = MaskedBlocks(blocks, len(blocks), self.vocabulary, Rules(self.masked_share), _HELD_OUT)
        return BatchLoader(masked, super().val_dataloader().order)
