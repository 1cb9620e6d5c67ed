"""Typos: letters swapped within words, always the same ones."""

from hypothesis import given
from hypothesis import strategies as st

from tinydistill.certification.typos import with_typos

TEXT = "The quick brown foxes jumped over several lazy sleeping dogs yesterday"


def test_a_share_of_the_longer_words_is_changed_inside_and_no_other():
    noisy = with_typos(TEXT, 0.5)
    changed = [(was, now) for was, now in zip(TEXT.split(), noisy.split(), strict=True) if was != now]
    assert 4 <= len(changed) <= 5
    for was, now in changed:
        assert len(was) >= 4
        assert (was[0], was[-1], sorted(was)) == (now[0], now[-1], sorted(now))


def test_the_same_text_has_the_same_typos_and_one_at_least():
    assert with_typos(TEXT, 0.01) == with_typos(TEXT, 0.01) != TEXT
    assert with_typos(TEXT, 0.5, seed=1) != with_typos(TEXT, 0.5, seed=2)
    assert with_typos("a bb ccc dddd 12345", 1.0) == "a bb ccc dddd 12345"  # nothing to swap


@given(st.text(max_size=60), st.floats(0, 1))
def test_any_text_keeps_its_letters(text, share):
    assert sorted(with_typos(text, share)) == sorted(text)
