"""Words replaced by those whose embeddings are near."""

import torch

from tests.conftest import bert
from tinydistill.augmentation.near_words import CANDIDATES, near_words

TEXTS = ["The cat sat on the mat", "a dog sees 3 Birds, fish and a tree", "the and it"]


def test_a_word_is_replaced_by_one_of_the_nearest_and_all_else_stays(tokenizer):
    model = bert(1, 16, seed=3, vocab_size=len(tokenizer))
    replaced = near_words(TEXTS, model, tokenizer, 1.0)
    words = replaced(TEXTS[0]).split(" ")
    assert [words[place] for place in (0, 3, 4)] == ["The", "on", "the"]  # function words
    table, pieces = model.get_input_embeddings().weight.detach(), tokenizer.get_vocab()
    for old, new in zip(TEXTS[0].split(), words, strict=True):
        if old.lower() not in ("the", "on"):
            cosines = torch.nn.functional.cosine_similarity(table[pieces[old]], table, dim=-1)
            plain = [word for word in pieces if word.isalpha() and len(word) > 1 and word != old]
            plain.sort(key=lambda word: -float(cosines[pieces[word]]))
            assert new in plain[:CANDIDATES]
    assert replaced(TEXTS[2]) == TEXTS[2]
    assert replaced(TEXTS[1]).split(" ")[3] == "3"
    assert replaced(TEXTS[1]).count(" ") == TEXTS[1].count(" ")


def test_about_a_share_of_the_words_is_replaced_the_same_ones_again(tokenizer):
    texts = [f"{'cat dog fish bird ' * 5}{number}" for number in range(60)]
    model = bert(1, 16, seed=3, vocab_size=len(tokenizer))
    made = list(map(near_words(texts, model, tokenizer, 0.25), texts))
    assert made == list(map(near_words(texts, model, tokenizer, 0.25), texts))
    changed = sum(
        a != b for old, new in zip(texts, made, strict=True) for a, b in zip(old.split(), new.split(), strict=True)
    )
    assert 0.2 < changed / (60 * 20) < 0.3
    assert made != list(map(near_words(texts, model, tokenizer, 0.25, seed=1), texts))
    assert list(map(near_words(texts, model, tokenizer, 0.0), texts)) == texts
