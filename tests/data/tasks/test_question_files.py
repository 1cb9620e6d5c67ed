"""Questions about texts, from SQuAD's JSON, tables and what the hub's data sets hold; and what is wrong with them."""

import json

import datasets
import pandas as pd
import pytest

from tests.data.conftest import task_complaint
from tinydistill.data.tasks.docstring_questions import on_one_line
from tinydistill.data.tasks.docstring_sections import questions
from tinydistill.data.tasks.question_files import QuestionFiles
from tinydistill.data.tasks.sources import WithSelection
from tinydistill.data.tasks.spans import answer_texts

ROWS = [
    ("who sat", "the cat sat on the mat", [("the cat", 0), ("cat", 4)]),
    ("where", "the cat sat on the mat", [("the mat", 15)]),
    ("who ran", "then a sad bird sees it", []),
]


def source(train, **options) -> QuestionFiles:
    return QuestionFiles(train, validation=train, **options)


def read(task: QuestionFiles) -> list[tuple[str, str, list[tuple[str, int]]]]:
    split = task.train()
    texts = answer_texts(split.labels, split)
    starts = [split.labels.row(row)[:, 0].tolist() for row in range(len(split))]
    answers = [list(zip(*one, strict=True)) for one in zip(texts, starts, strict=True)]
    return list(zip(split.texts, split.pairs, answers, strict=True))


def squad(rows=ROWS, *, version="v2.0", **changes) -> dict:
    """The rows as SQuAD has them, a paragraph each."""
    paragraphs = [
        {
            "context": text,
            "qas": [
                {
                    "id": f"q{number}",
                    "question": question,
                    "answers": [{"text": said, "answer_start": start} for said, start in answers],
                    **({"is_impossible": not answers} if version == "v2.0" else {}),
                    **changes,
                }
            ],
        }
        for number, (question, text, answers) in enumerate(rows)
    ]
    return {"version": version, "data": [{"title": "Cats", "paragraphs": paragraphs}]}


def written(file, value) -> object:
    file.write_text(json.dumps(value))
    return file


def hub_rows() -> list[dict]:
    return [
        {"question": question, "context": text, "answers": {"text": [said for said, _ in answers],
         "answer_start": [start for _, start in answers]}}
        for question, text, answers in ROWS
    ]  # fmt: skip


@pytest.mark.parametrize("indent", [None, 2])
def test_squad_s_json_is_read_in_both_versions(tmp_path, indent):
    (tmp_path / "v2.json").write_text(json.dumps(squad(), indent=indent))
    task = source(tmp_path / "v2.json")
    assert read(task) == ROWS
    assert task.target.unanswerable
    (tmp_path / "v1.json").write_text(json.dumps(squad(ROWS[:2], version="1.1"), indent=indent))
    task = source(tmp_path / "v1.json")
    assert read(task) == ROWS[:2]
    assert not task.target.unanswerable


def test_rows_as_the_hub_has_them_are_read_from_files_and_from_memory(tmp_path):
    rows = hub_rows()
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    (tmp_path / "lines.json").write_text("\n".join(map(json.dumps, rows)) + "\n")
    frame = pd.DataFrame(rows)
    frame.to_parquet(tmp_path / "rows.parquet")
    for train in (
        tmp_path / "rows.jsonl",
        tmp_path / "lines.json",
        tmp_path / "rows.parquet",
        written(tmp_path / "list.json", rows),
        written(tmp_path / "data.json", {"version": "2", "data": rows}),
        frame,
        pd.read_parquet(tmp_path / "rows.parquet"),
        datasets.Dataset.from_list(rows),
    ):
        assert read(source(train)) == ROWS, train


def test_a_table_has_an_answer_a_row_and_maybe_where_it_starts(tmp_path):
    expected = [(question, text, answers[:1]) for question, text, answers in ROWS]
    columns = "question,context,answers,answer_start\n"
    lines = [f"{q},{t},{a[0][0] if a else ''},{a[0][1] if a else ''}" for q, t, a in ROWS]
    (tmp_path / "rows.csv").write_text(columns + "\n".join(lines) + "\n")
    assert read(source(tmp_path / "rows.csv")) == expected
    frame = pd.read_csv(tmp_path / "rows.csv")  # where a start is missing, pandas has 15.0 and nan
    assert read(source(frame)) == expected
    renamed = frame.rename(columns={"question": "q", "context": "c", "answers": "a", "answer_start": "s"})
    assert read(source(renamed, text="q", text_pair="c", label="a", answer_start="s")) == expected
    assert read(source(frame.drop(columns="answer_start"))) == expected


def test_an_answer_without_a_place_is_the_first_one_in_its_text_which_is_said(capsys):
    rows = pd.DataFrame(
        {"question": ["what", "who"], "context": ["cat and cat", "a dog"], "answers": [" cat ", ["dog"]]}
    )
    assert [answers for *_, answers in read(source(rows))] == [[("cat", 0)], [("dog", 2)]]
    assert "1 answers of train stand in their contexts several times: the first counts" in capsys.readouterr().out


def test_test_rows_need_no_answers(tmp_path):
    train = written(tmp_path / "train.json", squad())
    (tmp_path / "test.csv").write_text("question,context,answer_start\nwho,the cat,3\n")
    split = QuestionFiles(train, test=tmp_path / "test.csv").test()["test"]
    assert (split.texts, split.pairs, split.labels) == (["who"], ["the cat"], None)
    unlabeled = squad()
    for paragraph in unlabeled["data"][0]["paragraphs"]:
        del paragraph["qas"][0]["answers"], paragraph["qas"][0]["is_impossible"]
    written(tmp_path / "test.json", unlabeled)
    assert QuestionFiles(train, test=tmp_path / "test.json").test()["test"].labels is None


def test_of_further_rows_answers_are_not_looked_at(tmp_path):
    task = source(written(tmp_path / "train.json", squad()))
    wrong = [(question, text, [("bird", 0)]) for question, text, _ in ROWS]
    written(tmp_path / "more.json", squad(wrong))
    frame = pd.DataFrame([{"question": question, "context": text, "answers": 7} for question, text, _ in ROWS])
    frame.to_parquet(tmp_path / "more.parquet")
    for file in ("more.json", "more.parquet"):
        split = task.unlabeled(str(tmp_path / file))
        assert (split.texts, split.pairs, split.labels) == (*map(list, list(zip(*ROWS, strict=True))[:2]), None)


def test_a_model_can_be_scored_where_there_are_validation_rows_alone(tmp_path):
    task = QuestionFiles(validation=written(tmp_path / "dev.json", squad()))
    assert task.target.unanswerable
    assert len(task.validation()["validation"]) == 3


def test_questions_about_one_text_are_all_for_training_or_all_for_validation_or_selection():
    rows = pd.DataFrame(
        {
            "question": [f"who {number}" for number in range(600)],
            "context": [f"cat {number % 150} sat" for number in range(600)],
            "answers": ["cat"] * 300 + [""] * 300,
        }
    )
    task = WithSelection(QuestionFiles(rows), rows=60)
    splits = [task.train(), *task.validation().values()]
    assert [split.name for split in splits] == ["train", "selection", "validation"]
    assert sum(map(len, splits)) == 600
    contexts = [set(split.pairs) for split in splits]
    assert sum(map(len, contexts)) == 150
    assert all(len(split) == 4 * len(of_split) for split, of_split in zip(splits, contexts, strict=True))


def changed(**changes) -> dict:
    return {"question": "who", "context": "the cat sat", "answers": "cat", **changes}


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (changed(answers="dog"), "rows.jsonl line 2: the answer 'dog' isn't in its context"),
        (
            changed(answer_start=0),
            "line 2: the answer 'cat' doesn't start at character 0 of its context, where 'the' stands, but at 4",
        ),
        (
            changed(answers={"text": ["cat"], "answer_start": [99]}),
            "line 2: the answer 'cat' doesn't start at character 99 of its context, which ends before, but at 4",
        ),
        (changed(answers={"text": ["cat", "sat"], "answer_start": [4]}), "line 2: 2 answers start at [4]"),
        (changed(answer_start="x"), "line 2: an answer starts at 'x', which is no whole number from 0"),
        (changed(question=" "), "rows.jsonl line 2: the question is empty"),
        (changed(context=""), "rows.jsonl line 2: the context is empty"),
        (changed(answers=7), "line 2: column 'answers' holds 7, which is no answer, nor a list of answers"),
        (changed(answers={"start": 1}), "line 2: column 'answers' holds {'start': 1}, which is no answer"),
        (changed(answers=["cat", 7]), "line 2: column 'answers' holds ['cat', 7], which is no answer"),
        (changed(question=["who"]), "line 2: column 'question' holds ['who'], which is not text"),
        ({"question": "who", "context": "a cat"}, "rows.jsonl line 2 has no column 'answers' but question, context"),
    ],
)
def test_a_row_that_makes_no_question_is_named(tmp_path, row, complaint):
    (tmp_path / "rows.jsonl").write_text(json.dumps(changed()) + "\n" + json.dumps(row) + "\n")
    assert complaint in task_complaint(source(tmp_path / "rows.jsonl"))


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (squad([("who", "the cat", [("dog", 4)])]), "a.json question q0: the answer 'dog' isn't in its context"),
        (squad([("", "the cat", [("cat", 4)])]), "a.json question q0: the question is empty"),
        (squad(is_impossible=True), "a.json question q0 has 'is_impossible', and answers"),
        (squad(answers=None), "a.json question q0 has no 'answers'"),
        (squad(ROWS[2:]), "a.json: none of its 1 questions has an answer in 'answers'"),
        (squad(question=7), "data[0].paragraphs[0].qas[0], whose 'question' is 7, has another shape than SQuAD's"),
        (
            {"data": [{"title": "x"}]},
            "a.json: data[0], which has no 'paragraphs', has another shape than SQuAD's, where",
        ),
        (
            {"data": {"a": 1}},
            "a.json: the file, whose 'data' is {'a': 1}, has another shape than SQuAD's, where that is",
        ),
        ({"rows": []}, "a.json: the file, which has no 'data', has another shape than SQuAD's, where that is a list"),
        ([1, 2], "a.json row 1 is not a JSON object"),
        ("text", "a.json: the file is 'text', no object"),
    ],
)
def test_a_json_of_another_shape_or_a_wrong_question_is_named(tmp_path, value, complaint):
    assert complaint in task_complaint(source(written(tmp_path / "a.json", value)))


def test_what_is_no_json_is_said_with_its_place(tmp_path):
    (tmp_path / "a.json").write_text('{"version": "v2.0",\n "data": [')
    assert "a.json is not JSON (Expecting value: line 2 column 11" in task_complaint(source(tmp_path / "a.json"))
    (tmp_path / "b.json").write_text(json.dumps(changed()) + "\n{'a': 1}\n")
    assert "b.json line 2 is not JSON" in task_complaint(source(tmp_path / "b.json"))


def test_one_text_alone_leaves_no_questions_for_validation():
    rows = pd.DataFrame({"question": ["who", "what"], "context": ["the cat"] * 2, "answers": ["cat", "the cat"]})
    assert "of its 2 rows none can be cut off for validation, as all have one context" in task_complaint(
        QuestionFiles(rows)
    )


# the embedded task

GOOGLE = """Sit down.

Args:
    mat (Mat, optional): Where to sit; the tree
        if there is none. Or not.
    cat: The cat.

Returns:
    A happy cat.

Raises:
    ValueError: If the cat
        is red.
"""
NUMPYS = "Sit.\n\nParameters\nmat : Mat\n    Where to sit.\ncat : int, optional\n\nReturns\nbool\n    Whether it sat.\n"
SPHINX = "Sit.\n\n:param mat: Where to sit.\n    Not in the tree.\n"


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        (
            GOOGLE,
            {
                "What type is mat?": "Mat, optional",
                "What is mat?": "Where to sit",
                "What is cat?": "The cat",
                "What is returned?": "A happy cat",
                "When is ValueError raised?": "If the cat\n        is red",
            },
        ),
        (
            NUMPYS,
            {
                "What type is mat?": "Mat",
                "What is mat?": "Where to sit",
                "What is cat?": "int, optional",
                "What is returned?": "bool\n    Whether it sat",
            },
        ),
        (SPHINX, {"What is mat?": "Where to sit"}),
        ("Sits.\n\nNote: that is all.", {}),
    ],
)
def test_sections_of_docstrings_answer_questions(docstring, expected):
    found = list(questions(docstring))
    assert {one.text: docstring[slice(*one.span)] for one in found} == expected
    for one in found:
        row = on_one_line(one, docstring)
        assert row.context == " ".join(docstring.split())
        assert row.context[slice(*row.spans[0])] == " ".join(docstring[slice(*one.span)].split())


def test_an_answer_that_is_cut_off_is_not_asked_for():
    docstring = f"{'Sit. ' * 100}\n\nArgs:\n    mat: Where to sit.\n"
    assert [on_one_line(one, docstring) for one in questions(docstring)] == [None]
