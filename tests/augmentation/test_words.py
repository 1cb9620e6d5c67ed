import pytest

from tinydistill.augmentation.words import eligible_words, match_case, read_stop_words
from tinydistill.errors import InputError

STOP = frozenset({"the", "a"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The old cat", ["old", "cat"]),
        ("", []),
        (" \t\n", []),
        ("THE A the", []),
        ("a 2nd naïve film in 3D, x2", ["film", "in"]),
        ('well-made "gem"\tof-2020', ["well", "made", "gem", "of"]),
        ("good😀movie 😀", ["good", "movie"]),
        ("cafe\u0301 snake_case", ["snake", "case"]),
        ("影 film", ["film"]),
    ],
)
def test_words_of_plain_letters_that_are_no_stop_words_are_eligible(text, words):
    assert [text[start:end] for start, end in eligible_words(text, STOP)] == words


@pytest.mark.parametrize(
    ("replaced", "word", "becomes"),
    [("movie", "film", "film"), ("Movie", "film", "Film"), ("MOVIE", "film", "FILM"), ("B", "film", "Film")],
)
def test_a_word_takes_the_case_of_the_one_it_replaces(replaced, word, becomes):
    assert match_case(replaced, word) == becomes


def test_stop_words_are_english_function_words_or_a_files(tmp_path):
    assert {"the", "not", "which"} < read_stop_words(None)
    assert not {"good", "film", "never-ending"} & read_stop_words(None)
    (tmp_path / "stop.txt").write_text("Le\n\nla\n")
    assert read_stop_words(str(tmp_path / "stop.txt")) == {"le", "la"}
    with pytest.raises(InputError, match="there is no file /nowhere: check path"):
        read_stop_words("/nowhere")
