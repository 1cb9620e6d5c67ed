"""What the masked LM is asked."""

import pytest

from tinydistill.augmentation.contexts import GROUP, MaskedWords
from tinydistill.augmentation.words import eligible_words


def ask(tokenizer, *texts, max_length=64, askable=lambda word: True):
    words = {text: eligible_words(text, {"the"}) for text in texts}
    return MaskedWords(words, tokenizer, max_length=max_length, askable=askable)


def read(questions, tokenizer):
    """The questions as texts, by their numbers."""
    found = {}
    for number, of_group in enumerate(questions.groups):
        rows = questions.group(number).inputs["input_ids"].tolist()
        found |= {int(q): " ".join(tokenizer.convert_ids_to_tokens(row)) for q, row in zip(of_group, rows, strict=True)}
    return [found[number] for number in range(len(questions))]


def test_each_eligible_word_is_masked_beside_the_whole_text(tokenizer):
    questions = ask(tokenizer, "The cat sat")
    assert read(questions, tokenizer) == [
        "[CLS] the [MASK] sat [SEP] the cat sat [SEP]",
        "[CLS] the cat [MASK] [SEP] the cat sat [SEP]",
    ]
    group = questions.group(0)
    assert group.places.tolist() == [2, 3]
    assert tokenizer.convert_ids_to_tokens(group.own.tolist()) == ["cat", "sat"]
    assert group.inputs["token_type_ids"].tolist() == [[0, 0, 0, 0, 0, 1, 1, 1, 1]] * 2


def test_one_mask_stands_for_a_word_of_several_pieces_that_is_askable(tokenizer):
    questions = ask(tokenizer, "Cats ran dogs", askable=lambda word: word == "cats")
    assert read(questions, tokenizer) == [
        "[CLS] [MASK] ran dog ##s [SEP] cat ##s ran dog ##s [SEP]",
        "[CLS] cat ##s [MASK] dog ##s [SEP] cat ##s ran dog ##s [SEP]",
    ]
    assert questions.questions.tolist() == [0, 1, -1]
    own = {int(own) for number in range(len(questions.groups)) for own in questions.group(number).own}
    assert own == {-1, tokenizer.convert_tokens_to_ids("ran")}


def test_a_word_that_the_vocabulary_lacks_is_masked_like_one_of_one_piece(tokenizer):
    assert read(ask(tokenizer, "zebra"), tokenizer) == ["[CLS] [MASK] [SEP] [UNK] [SEP]"]


def test_repeated_texts_are_asked_about_once(tokenizer):
    questions = ask(tokenizer, "cat sat", "Cat  SAT", "cat ran", "cat sat")
    assert len(questions) == 4
    assert questions.questions.tolist() == [0, 1, 0, 1, 2, 3]


def test_long_texts_are_seen_through_a_window_around_the_word(tokenizer):
    text = " ".join(["cat"] * 40 + ["dog"] + ["sat"] * 40)
    questions = ask(tokenizer, text, max_length=25)
    asked = read(questions, tokenizer)
    assert len(asked) == 81
    assert {len(question.split()) for question in asked} == {25}
    assert asked[0].startswith("[CLS] [MASK] cat cat")
    assert asked[80].endswith("sat sat [SEP]")
    assert asked[40] == (
        "[CLS] cat cat cat cat cat [MASK] sat sat sat sat sat [SEP] cat cat cat cat cat dog sat sat sat sat sat [SEP]"
    )


def test_groups_hold_every_question_once_and_texts_of_one_length(tokenizer):
    texts = [" ".join(["cat", "dogs"] * n) for n in range(1, 12)] * 2
    questions = ask(tokenizer, *texts)
    assert sorted(n for group in questions.groups for n in group.tolist()) == list(range(len(questions)))
    for number in range(len(questions.groups)):
        rows, length = questions.group(number).inputs["input_ids"].shape
        assert rows * length <= GROUP


@pytest.mark.parametrize("texts", [[], [""], ["the the"], ["...", "😀"]])
def test_texts_without_an_eligible_word_ask_nothing(tokenizer, texts):
    questions = ask(tokenizer, *texts)
    assert len(questions) == len(questions.groups) == 0
    assert questions.identity()


def test_other_texts_have_another_identity(tokenizer):
    assert ask(tokenizer, "cat sat").identity() == ask(tokenizer, "CAT sat").identity()
    assert ask(tokenizer, "cat sat").identity() != ask(tokenizer, "cat ran").identity()
    assert ask(tokenizer, "cat sat").identity() != ask(tokenizer, "cat sat", max_length=32).identity()
