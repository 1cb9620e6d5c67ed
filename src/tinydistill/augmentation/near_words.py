"""Words replaced by others whose input embeddings are near: an augmented text without a masked LM."""

from collections.abc import Callable, Collection, Sequence

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinydistill.augmentation.candidates import WholeWords
from tinydistill.augmentation.rows import Choices, replace_words
from tinydistill.augmentation.vectors import input_embeddings, mean_embeddings
from tinydistill.augmentation.words import ENGLISH, eligible_words

CANDIDATES = 15  # as in TinyBERT's augmentation


def near_words(
    texts: Sequence[str],
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    share: float,
    *,
    seed: int = 0,
    stop_words: Collection[str] = ENGLISH,
) -> Callable[[str], str]:
    """A function of these texts that replaces about this share of their words, by one of the nearest CANDIDATES each.

    These are whole words of the vocabulary, by the cosine of the model's input embeddings; a word of several pieces has
    their mean. The same text and seed give the same words.
    """
    known = input_embeddings(model, WholeWords(tokenizer))
    spans = {text: eligible_words(text, stop_words) for text in texts}
    words = sorted({text[slice(*span)].lower() for text, found in spans.items() for span in found})
    near = known.nearest(words, mean_embeddings(model, tokenizer, words), CANDIDATES) if words and known.rows else {}

    def replaced(text: str) -> str:
        candidates = [near.get(text[slice(*span)].lower(), []) for span in spans[text]]
        can = [number for number, of_word in enumerate(candidates) if of_word]
        choices = Choices(text, [spans[text][number] for number in can], [candidates[number] for number in can])
        random = np.random.default_rng([seed, *text.encode()])
        return next((new for new, _ in replace_words(choices, 1, share, random)), text)

    return replaced
