"""A masked-LM head solved for, where an encoder has none.

A head is decoder(norm(activation(dense(h)))). The dense layer is the ridge regression from what the encoder says at a
masked position to the embedding of the piece that stood there; the decoder's bias is the log of the pieces' shares.
B: blocks in a batch, L: length, n: masked positions, D: hidden size, E: embedding size, V: vocabulary.
"""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel

from tinydistill.data.masking import IGNORED, Masked
from tinydistill.distillation.linear import Normal, best_strength, ridge
from tinydistill.masked_lm import Head, head_of

OFFSET = 3.0  # of the dense layer's outputs: there GELU is the identity, and the LayerNorm takes the common offset away
GAINS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0)  # of the LayerNorm: how sure the head is of itself
_TEST = 4  # every fourth position is kept for choosing the penalty and the gain


@torch.no_grad()
def solve_head(model: PreTrainedModel, sample: Iterable[Masked]) -> bool:
    """Gives the head of a masked LM its first weights, in place; False where it has another form than BERT's."""
    head = head_of(model)
    if head is None:
        return False
    counts_V = torch.zeros(head.decoder.out_features)
    hidden, labels = [], []
    for batch in sample:
        masked_BL = batch.labels != IGNORED
        counts_V += torch.bincount(batch.labels.where(masked_BL, batch.input_ids).flatten(), minlength=len(counts_V))
        hidden.append(model.base_model(input_ids=batch.input_ids).last_hidden_state[masked_BL].float())
        labels.append(batch.labels[masked_BL])
    if head.decoder.bias is not None:
        head.decoder.bias.copy_(((counts_V + 0.5) / (counts_V + 0.5).sum()).log())
    if head.dense.bias is not None:
        _solve_transform(head, torch.cat(hidden), torch.cat(labels))
    return True


def _solve_transform(head: Head, hidden_nD: Tensor, labels_n: Tensor) -> None:
    targets_nE = head.decoder.weight[labels_n]
    targets_nE = targets_nE - targets_nE.mean(0)
    test_n = torch.arange(len(labels_n)) % _TEST == _TEST - 1
    fit, held_out = Normal(), Normal()
    fit.update(hidden_nD[~test_n], targets_nE[~test_n])
    held_out.update(hidden_nD[test_n], targets_nE[test_n])
    weights = ridge(*fit.means(), best_strength(fit, held_out)).float()
    weights /= (hidden_nD @ weights[:-1] + weights[-1]).std()
    head.dense.weight.copy_(weights[:-1].T)
    head.dense.bias.copy_(weights[-1] + OFFSET)

    def loss(gain: float) -> float:
        head.norm.weight.fill_(gain)
        return float(F.cross_entropy(head(hidden_nD[test_n]), labels_n[test_n]))

    head.norm.weight.fill_(min(GAINS, key=loss))
