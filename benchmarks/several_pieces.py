"""Which candidates for words of several pieces leave a sentence's meaning most as it was?

python benchmarks/several_pieces.py --model MASKED_LM --texts SST-2/train.tsv [--words 200]

Printed for each way: the mean cosine between a sentence's embedding (by the packaged all-MiniLM-L6-v2) and those of the
sentence with the word replaced by each of 15 candidates; then some words with their first four.
"""

import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from common import MINILM, parser, read_texts
from tinydistill.augmentation import vectors
from tinydistill.augmentation.candidates import WholeWords
from tinydistill.augmentation.words import eligible_words, read_stop_words
from tinydistill.models import loading as models
from tinydistill.models.masked_lm import load_masked_lm

COUNT, BEAM = 15, 200


class Sentences:
    """Sentence embeddings by all-MiniLM-L6-v2: the mean of the states."""

    def __init__(self) -> None:
        path = models.locate(MINILM)
        self.encoder, self.tokenizer = models.load_encoder(path), models.load_tokenizer(path)

    def __call__(self, texts: list[str]) -> Tensor:
        batch = self.tokenizer(texts, return_tensors="pt", padding=True)
        mask_BL1 = batch["attention_mask"][..., None]
        states_BLD = self.encoder(**batch).last_hidden_state * mask_BL1
        return F.normalize(states_BLD.sum(1) / mask_BL1.sum(1), dim=-1)


class Ways:
    """The ways to candidates for the word at a place in a text."""

    def __init__(self, model: Any, tokenizer: Any, others: list[str]):
        self.model, self.tokenizer, self.words = model, tokenizer, WholeWords(tokenizer)
        self.known = vectors.input_embeddings(model, self.words)
        self.others = {word: self.pieces(word) for word in others}

    def pieces(self, word: str) -> list[int]:
        return self.tokenizer.convert_tokens_to_ids(self.tokenizer.tokenize(word))

    def scores(self, text: str, start: int, end: int, masks: int) -> Tensor:
        """Log probabilities [masks, V]."""
        masked = text[:start] + " ".join([self.tokenizer.mask_token] * masks) + text[end:]
        inputs = self.tokenizer(masked, text, return_tensors="pt")
        places = inputs["input_ids"][0] == self.tokenizer.mask_token_id
        return self.model(**inputs).logits[0, places].log_softmax(-1)

    def one_mask(self, text: str, start: int, end: int) -> list[str]:
        best = self.words.best(self.scores(text, start, end, 1), torch.tensor([-1]), COUNT)
        return [self.words.words[n] for n in best[0]]

    def joint_words(self, text: str, start: int, end: int) -> list[str]:
        """As many masks as pieces; words of as many pieces that occur in the rows."""
        own = text[start:end]
        scores = self.scores(text, start, end, len(self.pieces(own)))
        sums = {
            word: sum(scores[i, piece].item() for i, piece in enumerate(ids))
            for word, ids in self.others.items()
            if len(ids) == len(scores) and word != own
        }
        return sorted(sums, key=lambda word: -sums[word])[:COUNT]

    def joint_pieces(self, text: str, start: int, end: int) -> list[str]:
        """As many masks as pieces; any pieces that make a word."""
        beam: list[tuple[float, list[int]]] = [(0.0, [])]
        for i, scores in enumerate(self.scores(text, start, end, len(self.pieces(text[start:end])))):
            best = zip(*(found.tolist() for found in scores.topk(BEAM)), strict=True)
            fit = [(s, p) for s, p in best if self.tokenizer.convert_ids_to_tokens(p).startswith("##") == (i > 0)]
            beam = sorted(((total + s, [*ids, p]) for total, ids in beam for s, p in fit), reverse=True)[:30]
        return [self.tokenizer.decode(ids) for _, ids in beam[:COUNT]]

    def embeddings(self, text: str, start: int, end: int) -> list[str]:
        word = text[start:end]
        return self.known.nearest([word], vectors.mean_embeddings(self.model, self.tokenizer, [word]), COUNT)[word]

    def random_words(self, text: str, start: int, end: int) -> list[str]:
        return random.Random(text).sample(self.words.words, COUNT)


@torch.no_grad()
def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--model", required=True, help="directory of a masked LM with a WordPiece vocabulary")
    arguments.add_argument("--texts", type=Path, required=True, help="tab-separated table")
    arguments.add_argument("--column", default="sentence")
    arguments.add_argument("--words", type=int, default=200)
    options = arguments.parse_args()
    model, tokenizer = load_masked_lm(options.model), models.load_tokenizer(options.model)
    texts = [text for text in read_texts(options.texts, options.column, 4000) if len(text.split()) > 7]
    stop_words = read_stop_words(None)
    found = [(text, *span) for text in texts for span in eligible_words(text, stop_words)]
    several = [(t, a, b) for t, a, b in found if len(tokenizer.tokenize(t[a:b])) > 1]
    print(f"{len(several):,} of {len(found):,} eligible words have several pieces")
    ways = Ways(model, tokenizer, sorted({t[a:b] for t, a, b in several}))
    sentences, cosines, shown = Sentences(), defaultdict(list), []
    for text, start, end in random.Random(3).sample(several, options.words):
        row = []
        for name in ("one_mask", "embeddings", "joint_pieces", "joint_words", "random_words"):
            candidates = getattr(ways, name)(text, start, end)
            row.append(", ".join(candidates[:4]))
            if candidates:
                made = sentences([text, *(text[:start] + word + text[end:] for word in candidates)])
                cosines[name].append(float((made[1:] @ made[0]).mean()))
        shown.append((text[start:end], *row[:4]))
    for name, values in cosines.items():
        print(f"{name:14} {sum(values) / len(values):.3f}")
    for row in shown[:12]:
        print(" | ".join(row))


if __name__ == "__main__":
    main()
