import gzip

import pytest
import torch

from tinydistill.augmentation.candidates import WholeWords
from tinydistill.augmentation.vectors import input_embeddings, mean_embeddings, read_vectors
from tinydistill.errors import InputError

GLOVE = "cat 1 0 0\ndog 0.9 0.1 0\n, 1 0 0\nCat 0 1 0\nfish 0 0 1\na b 0 1 0.5\nbird 0 -1 0\n"


@pytest.mark.parametrize("header", ["", "7 3\n"])
def test_glove_and_word2vec_text_are_read_plain_or_packed(tmp_path, header):
    (tmp_path / "a.txt").write_text(header + GLOVE)
    with gzip.open(tmp_path / "a.txt.gz", "wt") as file:
        file.write(header + GLOVE)
    for name in ("a.txt", "a.txt.gz"):
        vectors = read_vectors(tmp_path / name)
        assert list(vectors.rows) == ["cat", "dog", "fish", "bird"]
        assert vectors.of(["dog"]).tolist() == [pytest.approx([0.9, 0.1, 0])]


def test_the_nearest_words_are_those_of_largest_cosine_other_than_itself(tmp_path):
    (tmp_path / "a.txt").write_text(GLOVE)
    vectors = read_vectors(tmp_path / "a.txt")
    asked = ["cat", "fish"]
    found = vectors.nearest(asked, vectors.of(asked), 2)
    assert found["cat"][0] == "dog"
    assert len(found["cat"]) == 2
    assert "fish" not in found["fish"]
    assert len(vectors.nearest(["cat"], vectors.of(["cat"]), 50)["cat"]) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"cat 1 0 0\ndog 1 x 0\n", "line 2 is not a word with 3 numbers after it: path takes"),
        (b"cat 1 0 0\ndog 1 0\n", "line 2 is not a word with 3 numbers"),
        (b"some plain text\n", "line 1 is not a word with 2 numbers"),
        (b"word\n", "line 1 is not a word with its numbers"),
        (b"2 3\n", "holds no words of the letters a to z"),
        (b"", "holds no words of the letters a to z"),
        (b"cat \0\1\2", "is not text"),
    ],
)
def test_a_file_of_another_kind_is_one_clear_line(tmp_path, content, message):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_vectors(tmp_path / "a.txt")


def test_a_word_of_several_pieces_is_near_whole_words_by_the_mean_of_its_embeddings(masked_lm, tokenizer):
    words = WholeWords(tokenizer)
    table = masked_lm.get_input_embeddings().weight
    ids = tokenizer.convert_tokens_to_ids(["cat", "##s"])
    mean = mean_embeddings(masked_lm, tokenizer, ["cats"])
    torch.testing.assert_close(mean, table[ids].mean(0, keepdim=True).detach())
    known = input_embeddings(masked_lm, words)
    torch.testing.assert_close(known.of(["dog"])[0], table[tokenizer.convert_tokens_to_ids("dog")].detach())
    best = known.nearest(["cats"], mean, 3)["cats"]
    assert set(best) <= set(words.words)
