"""The LightningModule of a masked language model.

B: blocks in a batch, L: length of a block, n: tokens that are predicted, V: vocabulary.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel

from tinydistill.data.loading import Batch
from tinydistill.data.text.masking import IGNORED, MaskingVocabulary, Rules, generator, mask_pieces
from tinydistill.models.masked_lm import masked_logits
from tinydistill.training.optimization import OptimizedModule

BEST = 5  # guesses that count for heldout/top5


class MaskedLanguageModel(OptimizedModule):
    """Learn to fill in masked tokens. Training batches hold input_ids [B, L], held-out ones labels [B, L] as well.

    What is masked is a function of the seed, the batch's number and epoch, and the rank alone. Logged are `train/loss`,
    and the means over held-out tokens `heldout/loss`, `heldout/top1` and `heldout/top5`, the shares that are among the
    best.

    Args:
        model: with a masked-LM head.
        vocabulary: of its tokenizer.
        rules: what is masked, and how.
        seed: of the masks.
        options: learning_rate, optimizer and scheduler, as OptimizedModule takes them.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        vocabulary: MaskingVocabulary,
        rules: Rules,
        *,
        seed: int = 0,
        learning_rate: float = 1e-4,
        **options: Any,
    ):
        super().__init__(learning_rate=learning_rate, **options)
        self.model = model.train()
        self.vocabulary, self.rules, self.seed = vocabulary, rules, seed

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The logits [n, V] at the tokens that are predicted, and which these are [n]."""
        asked_BL = batch["labels"] != IGNORED
        return masked_logits(self.model, batch, asked_BL), batch["labels"][asked_BL]

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The cross-entropy of one batch."""
        random = generator(self.seed, batch_idx, self.global_rank, self.current_epoch)
        masked = mask_pieces(batch["input_ids"], self.vocabulary, self.rules, random)
        logits_nV, labels_n = self({name: ids.to(self.device) for name, ids in masked._asdict().items()})
        loss = F.cross_entropy(logits_nV.float(), labels_n)
        self.log_training({"train/loss": loss})
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Add one held-out batch to the means."""
        logits_nV, labels_n = self(batch)
        if not len(labels_n):  # a small last batch may hold no masked token
            return
        right_n5 = logits_nV.topk(BEST).indices == labels_n[:, None]
        metrics = {
            "heldout/loss": F.cross_entropy(logits_nV.float(), labels_n),
            "heldout/top1": right_n5[:, 0].float().mean(),
            "heldout/top5": right_n5.any(1).float().mean(),
        }
        self.log_dict(metrics, batch_size=len(labels_n), sync_dist=True)


def set_dropout(model: PreTrainedModel, share: float) -> None:
    """What a model drops out while it trains; its configuration keeps what it says."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = share
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = share
