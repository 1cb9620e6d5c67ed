"""New pairs from the texts of a task's own pairs: each text beside others that are more or less like it.

The teacher's logits are their labels. Shapes: N texts, D hidden size, B texts in a batch, P texts searched at once.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinydistill.augmentation.rows import Counts, Row, texts_of
from tinydistill.console import Meter
from tinydistill.data.tasks.examples import Split
from tinydistill.models.embedder import pooled
from tinydistill.models.observation import encoder_inputs

NEAREST, NEAR = 5, 60  # so many texts are a text's nearest ones, and the near ones
OFTEN, SOMETIMES = 0.5, 0.35  # shares of new pairs with one of the nearest and of the near; the rest is with any text
POOL = 20_000  # texts, at most, that neighbors are looked for among
_AT_ONCE = 64  # texts in a batch
_SEARCHED = 512  # texts in a block of similarities


@torch.no_grad()
def mean_states(
    encoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], max_length: int
) -> Tensor:
    """The mean of an encoder's last hidden states over the tokens of each text, of length 1: [N, D], on the CPU."""
    encoder.eval()
    states_ND = torch.empty(len(texts), encoder.config.hidden_size)
    by_length = sorted(range(len(texts)), key=lambda number: len(texts[number]))
    with Meter("texts encoded", "text", len(texts)) as meter:
        for start in range(0, len(texts), _AT_ONCE):
            numbers = by_length[start : start + _AT_ONCE]
            some = [texts[number] for number in numbers]
            batch = tokenizer(some, padding=True, truncation=True, max_length=max_length, return_tensors="pt")
            batch = encoder_inputs(batch.to(encoder.device))
            states_BLD = encoder(**batch).last_hidden_state.float()
            means_BD = pooled(states_BLD, batch.get("attention_mask"), "mean")
            states_ND[numbers] = F.normalize(means_BD, dim=-1).cpu()
            meter.update(len(numbers))
    return states_ND


def nearest(states_ND: Tensor, count: int, seed: int) -> Tensor:
    """For each text the numbers of its nearest others by cosine, the nearest first: [N, count or fewer].

    Of more than POOL texts, they are looked for among so many, drawn with the seed.
    """
    generator = torch.Generator().manual_seed(seed)
    pool_P = torch.randperm(len(states_ND), generator=generator)[:POOL].sort().values
    count = min(count, len(pool_P) - 1)
    found = []
    for own in torch.arange(len(states_ND)).split(_SEARCHED):
        similar = states_ND[own] @ states_ND[pool_P].T
        similar[own[:, None] == pool_P] = -torch.inf
        found.append(pool_P[similar.topk(count).indices])
    return torch.cat(found)


def neighbor_pairs(rows: Split, near_NK: Tensor, count: int, seed: int, counts: Counts) -> Iterator[Row]:
    """Every pair of a split followed by `count` new ones made from it, less those that there are already.

    In turn the first and the second text is kept; beside it stands one of its nearest, a near one, or any, on either
    side. The random numbers are those of the seed and the pair's number.
    """
    assert rows.pairs is not None
    texts = texts_of(rows)
    numbers = {text: number for number, text in enumerate(texts)}
    made = set(zip(rows.texts, rows.pairs, strict=True))
    for source, pair in enumerate(zip(rows.texts, rows.pairs, strict=True)):
        here = [Row(*pair, source)]
        random = np.random.default_rng([seed, source])
        for turn in range(count):
            kept = pair[turn % 2]
            near, draw = near_NK[numbers[kept]], random.random()
            if draw < OFTEN:
                other = texts[int(near[random.integers(min(NEAREST, len(near)))])]
            elif draw < OFTEN + SOMETIMES:
                other = texts[int(near[random.integers(len(near))])]
            else:
                other = texts[random.integers(len(texts))]
            new = (kept, other) if random.random() < 0.5 else (other, kept)
            if kept != other and new not in made:
                made.add(new)
                here.append(Row(*new, source))
        if len(here) > 1 and len(counts.examples) < 3:
            counts.examples.append(here)
        counts.rows += len(here)
        yield from here
