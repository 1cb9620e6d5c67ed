"""How similar the layers of two encoders are: what the mapping rule `auto` chooses by."""

from collections.abc import Iterable
from collections.abc import Mapping as Batch

import torch
from torch import Tensor
from transformers import PreTrainedModel

from tinydistill.distillation.mapping import linear_cka
from tinydistill.models.observation import Observer

TOKENS = 4000


def layer_similarity(
    first: PreTrainedModel, second: PreTrainedModel, batches: Iterable[Batch[str, Tensor]], *, tokens: int = TOKENS
) -> Tensor:
    """Linear CKA between the hidden states of all Transformer layers [M, N], on the batches' first tokens."""
    batches = list(batches)
    ours = _states(first, batches, tokens)
    theirs = ours if second is first else _states(second, batches, tokens)
    return torch.tensor([[linear_cka(x, y) for y in theirs] for x in ours])


@torch.no_grad()
def _states(model: PreTrainedModel, batches: list[Batch[str, Tensor]], tokens: int) -> list[Tensor]:
    observer = Observer(model, range(1, model.config.num_hidden_layers + 1))
    seen = [observer(batch).hidden for batch in batches]
    return [torch.cat([hidden[n].flatten(0, 1) for hidden in seen])[:tokens] for n in observer.hidden_layers]
