"""A masked language model seen at work: words of held-out text left out, and what it puts in their place."""

import re
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinydistill.console import say
from tinydistill.data.text.packing import BlockFile
from tinydistill.models.masked_lm import masked_logits

_EXAMPLES = 6
_CANDIDATES = 5
_SHORTEST = 4  # letters of a word worth guessing
_AROUND = 12  # tokens shown on either side
GAP = "____"


@torch.no_grad()
def examples(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, heldout: BlockFile) -> list[dict[str, Any]]:
    """A word of some held-out blocks each: the text around it, the word, the likeliest candidates with their shares."""
    found = []
    for block in range(len(heldout)):
        ids = heldout[np.array([block])]["input_ids"]
        place = _guessable(ids[0].tolist(), tokenizer)
        if place is None:
            continue
        read, chosen = ids.clone(), torch.zeros_like(ids, dtype=torch.bool)
        read[0, place], chosen[0, place] = tokenizer.mask_token_id, True
        batch = {"input_ids": read.to(model.device)}
        shares = masked_logits(model, batch, chosen.to(model.device))[0].float().softmax(-1).topk(_CANDIDATES)
        before, after = ids[0, max(0, place - _AROUND) : place], ids[0, place + 1 : place + 1 + _AROUND]
        found.append(
            {
                "text": f"{tokenizer.decode(before)} {GAP} {tokenizer.decode(after)}",
                "word": tokenizer.decode([ids[0, place]]).strip(),
                "candidates": {
                    tokenizer.decode([piece]).strip(): round(share, 3)
                    for piece, share in zip(shares.indices.tolist(), shares.values.tolist(), strict=True)
                },
            }
        )
        if len(found) == _EXAMPLES:
            break
    return found


def _guessable(ids: list[int], tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The place nearest the middle of a piece that is a word of its own, of some letters; None where there is none."""
    middle = len(ids) // 2
    for place in sorted(range(1, len(ids) - 1), key=lambda place: abs(place - middle)):
        word = tokenizer.decode([ids[place]]).strip()
        around = tokenizer.decode(ids[place - 1 : place + 2])
        if len(word) >= _SHORTEST and word.isalpha() and word in re.findall(r"\w+", around):
            return place
    return None


def show(found: list[dict[str, Any]]) -> None:
    """Prints the examples."""
    if found:
        say("masked words of held-out text, and the likeliest candidates:")
    for example in found:
        candidates = ", ".join(f"{word} {share:.2f}" for word, share in example["candidates"].items())
        say(f"  …{example['text']}…")
        say(f"    {example['word']}: {candidates}")
