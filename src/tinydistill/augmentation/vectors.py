"""Words and their nearest neighbors by vectors: GloVe or word2vec text, or a model's own input embeddings.

Q: words asked about, N: words with a vector, D: width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinydistill.artifacts.files import file_hash
from tinydistill.augmentation.candidates import WholeWords
from tinydistill.augmentation.words import is_plain
from tinydistill.data.files import check_file, numbered_lines
from tinydistill.data.text.token_ids import prepare_tokenizer
from tinydistill.errors import InputError

ROWS = 100_000  # of a file that are read, as in the original: the commonest words stand first
_AT_ONCE = 512  # words whose neighbors are looked for together


@dataclass(frozen=True)
class WordVectors:
    """Words in small letters by their rows of a table of vectors [N, D]."""

    rows: dict[str, int]
    table: Tensor

    def nearest(self, words: Sequence[str], vectors_QD: Tensor, count: int) -> dict[str, list[str]]:
        """For each word the words of largest cosine with its vector, best first, itself left out.

        In fp64, in which no two cosines are so close that the order of a sum decides between them.
        """
        names, found = list(self.rows), {}
        known_ND, asked_QD = (F.normalize(vectors.double(), dim=-1) for vectors in (self.table, vectors_QD))
        for first in range(0, len(words), _AT_ONCE):
            cosines = asked_QD[first : first + _AT_ONCE] @ known_ND.T
            best = cosines.topk(min(count + 1, len(names))).indices.tolist()
            for word, rows in zip(words[first : first + _AT_ONCE], best, strict=True):
                found[word] = [names[row] for row in rows if names[row] != word][:count]
        return found

    def of(self, words: Sequence[str]) -> Tensor:
        """The vectors [Q, D] of words that have one."""
        return self.table[[self.rows[word] for word in words]]


def read_vectors(path: Path) -> WordVectors:
    """The plain words among a file's first 100,000 rows. Raises InputError where it is no GloVe or word2vec text."""
    check_file(path, "{read_vectors.path}")
    advice = "{read_vectors.path} takes GloVe or word2vec text"
    rows: dict[str, int] = {}
    vectors: list[np.ndarray] = []
    width = 0
    for number, line in numbered_lines(path, argument="{read_vectors.path}"):
        cells = line.split()
        if number == 1 and len(cells) == 2:  # word2vec's header: words, width
            continue
        width = width or len(cells) - 1
        word, cells = " ".join(cells[:-width]), cells[-width:]
        try:
            vector = np.array(cells, np.float32)
        except ValueError:
            vector = np.zeros(0, np.float32)
        if width < 2 or len(vector) != width or not np.isfinite(vector).all():
            wanted = f"a word with {width if width > 1 else 'its'} numbers after it"
            raise InputError(f"{path} line {number} is not {wanted}", advice)
        if is_plain(word) and word.lower() not in rows:
            rows[word.lower()] = len(rows)
            vectors.append(vector)
        if number >= ROWS:
            break
    if not rows:
        raise InputError(f"{path} holds no words of the letters a to z", advice)
    return WordVectors(rows, torch.from_numpy(np.stack(vectors)))


def vectors_identity(path: Path) -> str:
    """The hash of a file of vectors. Raises InputError where there is none."""
    check_file(path, "{read_vectors.path}")
    return file_hash(path)


def input_embeddings(model: PreTrainedModel, words: WholeWords) -> WordVectors:
    """The embeddings of the vocabulary's whole words."""
    table = model.get_input_embeddings().weight.detach().float()
    pieces = words.pieces[np.unique(words.numbers, return_index=True)[1]]
    return WordVectors({word: i for i, word in enumerate(words.words)}, table[pieces])


def mean_embeddings(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, words: Sequence[str]) -> Tensor:
    """The mean embedding of each word's pieces [Q, D]."""
    backend, *_ = prepare_tokenizer(tokenizer)
    table = model.get_input_embeddings().weight.detach().float()
    encoded = backend.encode_batch_fast([f" {word}" for word in words], add_special_tokens=False)
    return torch.stack([table[encoding.ids].mean(0) for encoding in encoded])
