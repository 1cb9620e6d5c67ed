import numpy as np
import pytest

from tinydistill.augmentation.rows import Choices, Counts, augmented_rows, replace_words, write_rows
from tinydistill.augmentation.words import eligible_words
from tinydistill.data.tasks.datamodule import read_augmented
from tinydistill.data.tasks.examples import Split
from tinydistill.errors import InputError

OTHERS = ("alpha", "beta", "gamma")


def choices(text: str) -> Choices:
    spans = eligible_words(text, {"the"})
    return Choices(text, spans, [OTHERS] * len(spans))


def rows_of(split: Split, count: int = 5, probability: float = 0.5, seed: int = 0):
    counts = Counts()
    return list(augmented_rows(split, choices, count, probability, seed, counts)), counts


def split(texts, pairs=None) -> Split:
    return Split("train", list(texts), pairs and list(pairs), np.arange(len(texts)))


AWKWARD = ["", "  ", "the THE", 'say "hi"\tthere\n', "good😀 film…", "“x” — naïve café", "Big FILM, big film!", "film"]


def test_each_row_stands_first_and_keeps_what_is_not_replaced_byte_for_byte():
    made, counts = rows_of(split(AWKWARD))
    by_source = [[row.text for row in made if row.source == source] for source in range(len(AWKWARD))]
    assert [texts[0] for texts in by_source] == AWKWARD
    assert [len(texts) for texts in by_source[:3]] == [1, 1, 1]
    assert counts.rows == len(made)
    for text in by_source[3][1:]:
        first, rest = text.split(' "')
        second, rest = rest.split('"\t')
        assert rest.endswith("\n")
        assert {first, second, rest[:-1]} <= {"say", "hi", "there", *OTHERS}
    assert {word for text in by_source[6] for word in text.rstrip("!").replace(",", "").split()} <= {
        *("Big", "FILM", "big", "film"),
        *(form for word in OTHERS for form in (word, word.capitalize(), word.upper())),
    }
    assert all(text.replace("film", "").startswith(("good", *OTHERS)) for text in by_source[4])


def test_no_row_comes_twice_and_all_words_are_replaced_in_time():
    made, _ = rows_of(split(["old film"]), count=2000)
    texts = [row.text for row in made]
    assert len(texts) == len(set(texts)) == 16


def test_the_share_of_replaced_words_is_the_probability():
    texts = [f"{'w' * n} one two three four five six seven eight nine ten" for n in range(2, 80)]
    _, counts = rows_of(split(texts), count=20, probability=0.4)
    assert counts.replaced / counts.words == pytest.approx(0.4, abs=0.02)


def test_each_text_of_a_pair_changes_beside_the_other_as_it_is():
    made, _ = rows_of(split(["one two", "x y"], ["three four", "the"]), count=6)
    firsts = [row for row in made if row.source == 0]
    assert (firsts[0].text, firsts[0].pair) == ("one two", "three four")
    assert all((row.text == "one two") != (row.pair == "three four") for row in firsts[1:])
    assert {row.text == "one two" for row in firsts[1:]} == {True, False}


def test_more_rows_begin_with_the_same_ones_and_no_row_depends_on_another():
    few, more = (
        [text for text, _ in replace_words(choices("one two"), n, 0.5, np.random.default_rng(3))] for n in (3, 9)
    )
    assert more[:3] == few
    alone = [row.text for row in rows_of(split(["one two three"]))[0]]
    beside = [row.text for row in rows_of(split(["one two three", "four"]))[0] if row.source == 0]
    assert alone == beside
    assert alone != [row.text for row in rows_of(split(["one two three"]), seed=1)[0]]


def test_neither_a_probability_nor_a_count_of_0_makes_rows():
    assert [row.text for row in rows_of(split(["one two"]), probability=0.0)[0]] == ["one two"]
    assert [row.text for row in rows_of(split(["one two"]), count=0)[0]] == ["one two"]


def test_words_that_are_kept_stay_and_the_others_change_as_before():
    rows, spans = split(["the cat sees the dog"]), [(4, 7), (8, 12), (17, 20)]

    def choices(text: str) -> Choices:
        return Choices(text, spans, [["bird"], ["hears"], ["fish"]])

    def made(kept):
        return [row.text for row in augmented_rows(rows, choices, 20, 1.0, 0, Counts(), kept)]

    assert made(None) == ["the cat sees the dog", "the bird hears the fish"]
    assert made([[(4, 7), (17, 20)]]) == ["the cat sees the dog", "the cat hears the dog"]
    assert made([[(0, 20)]]) == ["the cat sees the dog"]


@pytest.mark.parametrize("pairs", [None, AWKWARD[::-1]])
def test_what_is_written_is_what_a_task_reads(tmp_path, pairs):
    original = split(AWKWARD, pairs)
    made, _ = rows_of(original)
    file = tmp_path / "rows" / "augmented.parquet"
    write_rows(file, iter(made), pairs=pairs is not None, made_from=original.text_identity())
    read = read_augmented(file, original)
    assert read.texts == [row.text for row in made]
    assert read.pairs == (None if pairs is None else [row.pair for row in made])
    assert read.labels.tolist() == read.source_rows.tolist() == [row.source for row in made]
    with pytest.raises(InputError, match="was made from other rows than this task's training rows"):
        read_augmented(file, split([*AWKWARD[:-1], "movie"], pairs))
