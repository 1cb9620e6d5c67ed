"""Tagged texts: read from files of several formats, cut into windows, and the entities that their tags delimit."""

import json
import random
from itertools import pairwise

import datasets
import numpy as np
import pandas as pd
import pytest
from seqeval.scheme import IOB2, IOBES, Entities

from tests.conftest import WORDS
from tests.data.conftest import task_complaint
from tinydistill.data.tasks.batches import RowBatches
from tinydistill.data.tasks.docstring_tags import tagged
from tinydistill.data.tasks.encoding import encode
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.ragged import Ragged
from tinydistill.data.tasks.table import Table
from tinydistill.data.tasks.tag_files import TagFiles
from tinydistill.data.tasks.tags import IGNORED, Tags, entities, in_iob1, tag_names, to_iob2
from tinydistill.data.tasks.windows import WORDS as BY_WORD

ROWS = [
    (["EU", "rejects", "German", "call"], ["B-ORG", "O", "B-MISC", "O"]),
    (["Peter", "Blackburn"], ["B-PER", "I-PER"]),
]
CONLL = "-DOCSTART- -X- O O\n\nEU NNP I-NP B-ORG\nrejects VBZ I-VP O\nGerman JJ I-NP B-MISC\ncall NN I-NP O\n\n"
CONLL += "Peter NNP I-NP B-PER\nBlackburn NNP I-NP I-PER\n"


def source(train, **options) -> TagFiles:
    return TagFiles(train, validation=train, **options)


def read(task: TagFiles) -> list[tuple[list[str], list[str]]]:
    split, names = task.train(), task.target.labels
    return [(text.split(" "), [names[tag] for tag in split.labels.row(row)]) for row, text in enumerate(split.texts)]


def test_a_conll_file_has_a_word_a_line_and_its_tag_in_the_last_column(tmp_path):
    (tmp_path / "train.conll").write_text(CONLL)
    task = source(tmp_path / "train.conll")
    assert read(task) == ROWS
    assert task.target.labels == ("O", "B-MISC", "B-ORG", "B-PER", "I-PER")


def test_columns_are_named_by_their_numbers_or_by_a_header(tmp_path):
    (tmp_path / "train.txt").write_text(CONLL)
    assert read(source(tmp_path / "train.txt", text="1", label="2"))[1][1] == ["NNP", "NNP"]
    (tmp_path / "named.txt").write_text("# global.columns = FORM POS CHUNK NER\n" + CONLL)
    assert read(source(tmp_path / "named.txt", label="CHUNK"))[0][1] == ["B-NP", "B-VP", "B-NP", "I-NP"]  # IOB1 before


def test_of_conllu_words_and_parts_of_speech_are_taken(tmp_path):
    lines = [
        "# text = vámonos",
        "1-2\tvámonos\t_\t_",
        "1\tvamos\tir\tVERB",
        "2\tnos\tnosotros\tPRON",
        "2.1\tx\tx\tX",
        "",
    ]
    (tmp_path / "train.conllu").write_text("\n".join(lines) + "\n")
    assert read(source(tmp_path / "train.conllu")) == [(["vamos", "nos"], ["VERB", "PRON"])]


def test_json_lines_tables_in_memory_and_conll_give_the_same_rows(tmp_path):
    columns = {"tokens": [words for words, _ in ROWS], "tags": [tags for _, tags in ROWS]}
    lines = [json.dumps({"tokens": words, "tags": tags}) for words, tags in ROWS]
    (tmp_path / "train.jsonl").write_text("\n".join(lines) + "\n")
    pd.DataFrame(columns).to_parquet(tmp_path / "train.parquet")
    names = ["O", "B-MISC", "B-ORG", "B-PER", "I-PER"]
    numbers = {**columns, "tags": [[names.index(tag) for tag in tags] for _, tags in ROWS]}
    features = datasets.Features(
        {
            "tokens": datasets.Sequence(datasets.Value("string")),
            "tags": datasets.Sequence(datasets.ClassLabel(names=names)),
        }
    )
    for rows in (
        tmp_path / "train.jsonl",
        tmp_path / "train.parquet",
        pd.DataFrame(columns),
        datasets.Dataset.from_dict(columns),
        datasets.Dataset.from_dict(numbers, features=features),
    ):
        assert read(source(rows)) == ROWS
    assert read(source(pd.DataFrame(numbers), labels=names)) == ROWS


def test_test_rows_need_no_tags(tmp_path):
    (tmp_path / "train.conll").write_text(CONLL)
    (tmp_path / "test.conll").write_text("EU\nrejects\n\nPeter\n")
    split = TagFiles(tmp_path / "train.conll", test=tmp_path / "test.conll").test()["test"]
    assert (split.texts, split.labels) == (["EU rejects", "Peter"], None)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"tokens": ["a", "b"], "tags": ["O"]}, "train.jsonl line 2: there are 2 words and 1 tags"),
        (
            {"tokens": "a b", "tags": ["O"]},
            "train.jsonl line 2: column 'tokens' holds 'a b', which is no list of words",
        ),
        ({"tokens": ["a"], "tags": "O"}, "train.jsonl line 2: column 'tags' holds 'O', which is no list of tags"),
        ({"tokens": ["a", " "], "tags": ["O", "O"]}, "train.jsonl line 2: word 2 is empty"),
        ({"tokens": [], "tags": []}, "train.jsonl line 2: there is no word"),
        ({"tokens": ["a"]}, "train.jsonl line 2 has no column 'tags'"),
    ],
)
def test_a_row_that_makes_no_tagged_text_is_named(tmp_path, row, complaint):
    (tmp_path / "train.jsonl").write_text('{"tokens": ["a"], "tags": ["O"]}\n' + json.dumps(row) + "\n")
    assert complaint in task_complaint(source(tmp_path / "train.jsonl"))


def test_a_tag_that_training_has_not_is_named_with_its_word(tmp_path):
    (tmp_path / "train.conll").write_text(CONLL)
    (tmp_path / "dev.conll").write_text("Paris B-LOC\n\n")
    said = task_complaint(TagFiles(tmp_path / "train.conll", validation=tmp_path / "dev.conll"))
    assert "dev.conll line 1: the tag 'B-LOC' of word 1 ('Paris') is none of this task" in said


def test_a_conll_line_without_its_tag_is_named(tmp_path):
    (tmp_path / "train.conll").write_text("EU B-ORG\nrejects\n\n")
    assert "train.conll line 2 has one column, so that its word has no tag" in task_complaint(
        source(tmp_path / "train.conll")
    )


# entities


@pytest.mark.parametrize(("ended", "scheme", "places"), [(False, IOB2, "BI"), (True, IOBES, "BIES")])
def test_entities_are_seqevals_of_strict_schemes(ended, scheme, places):
    draw, names = random.Random(0), ["O", *(f"{place}-{kind}" for place in places for kind in "XY")]
    for _ in range(2000):
        tags = [draw.choice(names) for _ in range(draw.randint(1, 8))]
        expected = {(one.tag, one.start, one.end - 1) for one in Entities([tags], scheme).entities[0]}
        assert set(entities(tags, ended=ended)) == expected, tags


def test_tags_in_iob1_become_iob2():
    rows = [["I-PER", "I-PER", "O", "I-LOC", "B-LOC"], ["O", "I-ORG"]]
    assert in_iob1(rows)
    assert [to_iob2(tags) for tags in rows] == [["B-PER", "I-PER", "O", "B-LOC", "B-LOC"], ["O", "B-ORG"]]
    assert not in_iob1([to_iob2(tags) for tags in rows])
    assert not in_iob1([["O", "S-PER"]])
    assert not in_iob1([["NOUN", "VERB"]])


def test_tags_of_a_kind_stand_together_and_o_first():
    assert tag_names([["I-B", "O"], ["B-B", "B-A"]]) == ("O", "B-A", "B-B", "I-B")
    assert not Tags(("NOUN", "VERB")).entities
    assert Tags(("O", "B-A", "I-A")).entities
    assert Tags(("O", "S-A")).ended


# windows


@pytest.fixture
def long_text() -> Split:
    draw = random.Random(1)
    texts = [" ".join(draw.choice(WORDS) for _ in range(length)) for length in (3, 40, 10, 25)]
    table = Table("rows", texts=texts, labels=[[draw.choice(["O", "B-X"]) for _ in text.split()] for text in texts])
    return Split("train", texts, labels=Tags(("O", "B-X")).encode(table, "tags"))


def test_long_rows_are_windows_that_overlap_and_every_word_is_in_one_of_them(long_text, tokenizer, cache):
    rows = encode(long_text, tokenizer, max_length=12, cache_dir=cache, windows=BY_WORD)
    assert max(rows.lengths) == 12
    assert rows.truncated == 2
    assert np.bincount(rows.owners).tolist() == [1, 6, 1, 4]
    seen = [
        (owner, place)
        for owner, place in zip(np.repeat(rows.owners, rows.lengths), rows.places, strict=True)
        if place >= 0
    ]
    assert sorted(seen) == [
        (row, word) for row, text in enumerate(long_text.texts) for word in range(text.count(" ") + 1)
    ]
    for window, (start, end) in enumerate(pairwise(rows.offsets)):
        words = long_text.texts[rows.owners[window]].split(" ")
        for piece, place in zip(rows.pieces[start:end], rows.places[start:end], strict=True):
            assert place < 0 or tokenizer.convert_ids_to_tokens(int(piece)) == words[place]


def test_a_word_is_read_where_it_has_the_most_context(long_text, tokenizer, cache):
    rows = encode(long_text, tokenizer, max_length=12, cache_dir=cache, windows=BY_WORD)
    inner = np.flatnonzero(rows.owners == 1)[1:-1]
    for window in inner:
        places = rows.places[rows.offsets[window] : rows.offsets[window + 1]]
        assert places[1] < 0  # of the three tokens that a window shares with the one before, the first is that one's
        assert places[5] >= 0


def test_batches_have_the_tags_at_the_first_token_of_every_word(long_text, tokenizer, cache):
    rows = encode(long_text, tokenizer, max_length=12, cache_dir=cache, windows=BY_WORD)
    target = Tags(("O", "B-X"))
    batches = RowBatches(rows, target.in_batches(long_text.labels, rows), pad=0, max_length=12)
    batch = batches[np.arange(len(rows))]
    assert batch["labels"].shape == batch["input_ids"].shape
    assert ((batch["labels"] == IGNORED) == ~batch["valid"]).all()
    assert int(batch["valid"].sum()) == sum(text.count(" ") + 1 for text in long_text.texts)
    first = batch["labels"][0][batch["valid"][0]]
    assert first.tolist() == long_text.labels.row(0).tolist()


def test_the_characters_of_entities_are_known_and_those_of_other_tags_are_none():
    target = Tags(("O", "B-PLACE", "I-PLACE"))
    texts = ["to New York now", "nowhere"]
    labels = Ragged.of([np.array([0, 1, 2, 0]), np.array([0])])
    (first, second) = target.entity_spans(texts, labels)
    assert [texts[0][start:end] for start, end in first] == ["New", "York"]
    assert second == []
    assert Tags(("NOUN", "VERB")).entity_spans(["go"], Ragged.of([np.array([1])])) == [[]]


# the embedded task


def test_marks_of_docstrings_become_tags_and_are_taken_away():
    words, tags = tagged("Returns ``None`` if `a == b`, see :class:`~torch.nn.Module` and :ref:`the docs <docs>`.")
    assert " ".join(words) == "Returns None if a == b , see Module and the docs ."
    assert tags == ["O", "B-code", "O", "B-code", "I-code", "I-code", "O", "O", "B-reference", "O", "B-reference",
                    "I-reference", "O"]  # fmt: skip
