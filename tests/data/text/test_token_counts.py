"""How often a corpus has every token: the same as when its texts are cut into tokens one by one."""

from collections import Counter

import numpy as np
import pytest

from tests.conftest import sentences
from tinydistill.data.text import token_counts
from tinydistill.data.text.sources import TextsCorpus
from tinydistill.data.text.token_counts import corpus_counts


@pytest.mark.parametrize("at_once", [3, 5000])
def test_the_tokens_of_all_documents_are_counted(tokenizer, tmp_path, monkeypatch, at_once):
    monkeypatch.setattr(token_counts, "AT_ONCE", at_once)
    monkeypatch.setattr(token_counts, "DOCUMENTS_AT_ONCE", at_once)
    texts = [*sentences(50), "a word: unheard of"]
    expected = Counter(n for text in texts for n in tokenizer(text, add_special_tokens=False)["input_ids"])
    counts = corpus_counts(TextsCorpus(texts), tokenizer, cache_dir=tmp_path)
    assert {number: count for number, count in enumerate(counts.tolist()) if count} == expected
    assert len(counts) == len(tokenizer)


def test_they_are_counted_once(tokenizer, tmp_path, monkeypatch):
    corpus = TextsCorpus(sentences(50))
    first = corpus_counts(corpus, tokenizer, cache_dir=tmp_path)
    monkeypatch.setattr(token_counts, "tokenize", None)
    assert np.array_equal(corpus_counts(corpus, tokenizer, cache_dir=tmp_path), first)
