"""Documents as sentences."""

import pytest

from tinydistill.data.text.sentences import MOST_CHARACTERS, sentences


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ("The cat sat right there. The dog ran far away!", ["The cat sat right there.", "The dog ran far away!"]),
        ("Did the cat see it? 3 small dogs saw all.", ["Did the cat see it?", "3 small dogs saw all."]),
        (
            "He met Dr. Smith and J. R. Doe there. They all went home.",
            ["He met Dr. Smith and J. R. Doe there.", "They all went home."],
        ),
        (
            "A line that goes on\n   in the next one. And this is another.",
            ["A line that goes on in the next one.", "And this is another."],
        ),
        (
            "A heading of some words\n\nText below it, which goes on.",
            ["A heading of some words", "Text below it, which goes on."],
        ),
        ('She said "time to go." Then they all left.', ['She said "time to go."', "Then they all left."]),
        ("Two words. !!!", []),
    ],
)
def test_a_document_is_cut_where_sentences_end(document, found):
    assert list(sentences(document)) == found


def test_what_is_too_long_or_has_too_few_words_is_none():
    assert list(sentences("word " * MOST_CHARACTERS)) == []
    assert list(sentences("1 2 3 4 5 6 7 8.")) == []
