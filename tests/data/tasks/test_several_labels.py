"""Texts with several labels each, read from lists and from columns; how they are split; the embedded task."""

import json

import datasets
import numpy as np
import pandas as pd
import pytest

from tests.data.conftest import task_complaint
from tinydistill.data.tasks.docstring_topics import beginning
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.multilabel_files import MultiLabelFiles
from tinydistill.data.tasks.several_labels import SeveralLabels
from tinydistill.data.tasks.sources import SomeRows, WithSelection
from tinydistill.errors import InputError

ROWS = [("the screen is dark", ["screen"]), ("late and broken", ["delivery", "screen"]), ("thank you", [])]
TEXTS, LISTS = map(list, zip(*ROWS, strict=True))
NAMES = ("delivery", "screen")
COLUMNS = {name: [int(name in labels) for labels in LISTS] for name in NAMES}


def source(train, **options) -> MultiLabelFiles:
    return MultiLabelFiles(train, validation=train, **options)


def read(task: MultiLabelFiles) -> list[tuple[str, list[str]]]:
    split, names = task.train(), task.target.labels
    assert split.labels.dtype == np.float32
    return [
        (text, [names[c] for c in np.flatnonzero(row)]) for text, row in zip(split.texts, split.labels, strict=True)
    ]


def lines(path, rows) -> str:
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    return str(path)


def test_lists_of_every_format_give_the_same_rows(tmp_path):
    table = pd.DataFrame({"text": TEXTS, "labels": LISTS})
    table.to_parquet(tmp_path / "rows.parquet")
    written = table.assign(labels=[json.dumps(labels) for labels in LISTS])
    written.to_csv(tmp_path / "rows.csv", index=False)
    written.to_csv(tmp_path / "rows.tsv", index=False, sep="\t")
    numbers = datasets.Features(
        {
            "text": datasets.Value("string"),
            "labels": datasets.Sequence(datasets.ClassLabel(names=list(NAMES))),
        }
    )
    for rows in (
        lines(tmp_path / "rows.jsonl", table.to_dict("records")),
        tmp_path / "rows.parquet",
        tmp_path / "rows.csv",
        table,
        written,
        datasets.Dataset.from_pandas(table),
        datasets.Dataset.from_dict({"text": TEXTS, "labels": LISTS}, features=numbers),
    ):
        task = source(rows)
        assert read(task) == ROWS, rows
        assert task.target == SeveralLabels(NAMES)
    assert read(source(tmp_path / "rows.tsv", quoting=True)) == ROWS


@pytest.mark.parametrize(("given", "between"), [("pipe", "|"), ("semicolon", "; "), (" / ", " / "), ("space", "  ")])
def test_labels_may_be_a_text_with_something_between_them(tmp_path, given, between):
    table = pd.DataFrame({"text": TEXTS, "labels": [between.join(labels) for labels in LISTS]})
    table.to_csv(tmp_path / "rows.csv", index=False)
    assert read(source(tmp_path / "rows.csv", label_separator=given)) == ROWS


def test_a_column_of_0_and_1_for_every_label_is_another_way_to_say_it(tmp_path):
    table = pd.DataFrame({"text": TEXTS, **COLUMNS})
    table.to_csv(tmp_path / "rows.csv", index=False)
    table.astype(dict.fromkeys(NAMES, bool)).to_parquet(tmp_path / "rows.parquet")
    table.astype(dict.fromkeys(NAMES, float)).to_json(tmp_path / "rows.jsonl", orient="records", lines=True)
    for rows in (tmp_path / "rows.csv", tmp_path / "rows.parquet", tmp_path / "rows.jsonl", table):
        assert read(source(rows, label_columns=NAMES)) == ROWS, rows
    assert source(table, label_columns=NAMES[::-1]).target.labels == NAMES[::-1]


def test_labels_that_are_listed_keep_their_order_and_may_be_given_by_number():
    table = pd.DataFrame({"text": TEXTS, "labels": [[0], [1, 0], []]})
    assert read(source(table, labels=["screen", "delivery"])) == [(text, labels[::-1]) for text, labels in ROWS]
    numbers = source(pd.DataFrame({"text": TEXTS, "labels": [[10], [9, 10], []]}))
    assert numbers.target.labels == ("9", "10")


def test_test_rows_need_no_labels(tmp_path):
    train = pd.DataFrame({"text": TEXTS, "labels": LISTS, **COLUMNS})
    test = pd.DataFrame({"text": TEXTS})
    for options in ({}, {"label_columns": NAMES}):
        task = MultiLabelFiles(train, test=test, **options)
        assert task.test()["test"].labels is None
    assert MultiLabelFiles(train, test=test.assign(labels=None)).test()["test"].labels is None
    assert MultiLabelFiles(train, test=train).test()["test"].labels.tolist() == [[0, 1], [1, 1], [0, 0]]


def test_a_label_that_no_row_has_is_said(capsys):
    table = pd.DataFrame({"text": TEXTS, "labels": LISTS})
    task = source(table, labels=[*NAMES, "billing", "other"])
    assert task.target.outputs == 4
    assert "no row of train has the label billing, other: no model can learn it" in capsys.readouterr().out
    assert source(table).target.outputs == 2
    assert not capsys.readouterr().out


# what is wrong


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"labels": "screen"}, "line 4: column 'labels' holds 'screen', which is no list of labels: fix the row, or "
         "say with TaskFiles.label_separator what separates labels in a text"),
        ({"labels": {"a": 1}}, "line 4: column 'labels' holds {'a': 1}, which is no list of labels: fix the row"),
        ({"labels": 3}, "line 4: column 'labels' holds 3, which is no list of labels: fix the row"),
        ({"labels": "[screen"}, "line 4: column 'labels' holds '[screen', which is no list in JSON"),
        ({"labels": None}, "line 4: there is no list of labels in column 'labels': write an empty one for no label"),
        ({"labels": ["screen", ""]}, "line 4: a label in column 'labels' is empty"),
        ({"labels": [["screen"]]}, "line 4: the list in column 'labels' holds ['screen'], no name or number"),
        ({"labels": [0, 1, 0]}, "line 4: column 'labels' holds [0, 1, 0], which seems to have a 0 or 1 for"),
        ({"labels": ["x" * 201]}, f"line 4: '{'x' * 56}… in column 'labels' has 201 characters, too many for a label"),
        ({}, "line 4 has no column 'labels'"),
    ],
)  # fmt: skip
def test_a_row_without_a_list_of_labels_is_named(tmp_path, row, complaint):
    rows = [{"text": text, "labels": labels} for text, labels in ROWS]
    file = lines(tmp_path / "train.jsonl", [*rows, {"text": "more", **row}])
    assert f"{file} {complaint}" in task_complaint(source(file))


@pytest.mark.parametrize(
    ("cell", "said"), [("2", "holds '2'"), ("", "holds nothing"), ("yes", "holds 'yes'"), ("0.5", "holds '0.5'")]
)
def test_a_column_of_a_label_that_isn_t_0_or_1_is_named(tmp_path, cell, said):
    file = tmp_path / "train.csv"
    file.write_text(f"text,delivery,screen\na,0,1\nb,1,0\nc,0,{cell}\n")
    told = task_complaint(source(file, label_columns=NAMES))
    assert told.startswith(
        f"{file} line 4: column 'screen' {said}, which is neither 0 nor 1: fix the row, or leave the "
    )


def test_a_label_that_is_unknown_is_named():
    train, more = (pd.DataFrame({"text": TEXTS, "labels": [*LISTS[:2], last]}) for last in ([], ["screen", "billing"]))
    told = task_complaint(MultiLabelFiles(train, validation=more))
    assert told.startswith("validation row 2: 'billing' in column 'labels' is no label of this task, whose labels are ")
    told = task_complaint(source(more, labels=NAMES))
    assert told.startswith("train row 2: 'billing' in column 'labels' is no label of this task")


def test_what_leaves_nothing_to_learn_is_refused(tmp_path):
    def told(lists, **options) -> str:
        return task_complaint(source(pd.DataFrame({"text": TEXTS, "labels": lists}), **options))

    assert "train: of 3 rows none has a label in column 'labels'; a task needs two labels or more" in told([[]] * 3)
    assert "train: of 3 rows none has a label but 'a' in column 'labels'" in told([["a"], [], []])
    assert "labels=['a'] leaves nothing to predict" in told([["a"], [], []], labels=["a"])
    assert "validation: all 3 rows have the same label, so no score means anything" in told([["a", "b"]] * 3)
    with pytest.raises(InputError, match="labels are given, and label_columns, which name them too"):
        source(None, labels=["a", "b"], label_columns=["a", "b"])
    with pytest.raises(InputError, match="nothing can't separate labels"):
        source(None, label_separator="")
    assert "the column 'text' has two roles" in told(LISTS, label_columns=["text", "labels"])
    assert "has no column 'delivery' but text, labels: set TaskFiles.label_columns to" in told(
        LISTS, label_columns=NAMES
    )


# which rows are where


@pytest.fixture
def many() -> Split:
    """A label of every second row, one of every tenth, and one of three rows."""
    labels = np.zeros((1000, 3), np.float32)
    labels[::2, 0] = labels[::10, 1] = labels[:3, 2] = 1
    return Split("train", [f"text {row}" for row in range(1000)], labels=labels)


def test_a_row_counts_by_its_rarest_label(many):
    assert many.classes[:6].tolist() == [2, 2, 2, 3, 0, 3]
    assert many.classes[10] == 1


def test_rare_labels_are_on_both_sides_of_what_is_cut_off(many):
    table = pd.DataFrame(
        {"text": many.texts, "labels": [[f"label {c}" for c in np.flatnonzero(r)] for r in many.labels]}
    )
    task = MultiLabelFiles(table)
    assert task.validation()["validation"].labels.sum(0) == pytest.approx([50, 10, 1], abs=3)
    assert task.train().labels.sum(0)[2] == 2


def test_rows_that_are_kept_aside_or_a_sample_leave_every_label_in_training(many):
    class Given(MultiLabelFiles):
        target = SeveralLabels(("a", "b", "c"))

        def train(self):
            return many

        def validation(self):
            return {"validation": many}

    kept = WithSelection(Given(), 100)
    assert list(kept.validation()) == ["selection", "validation"]
    assert kept.train().labels.sum(0).min() >= 1
    assert SomeRows(Given(), train_share=0.1).train().labels.sum(0).min() >= 1
    assert SomeRows(Given(), rows=5).train().labels.any(0).all()


# the embedded task


def test_of_a_docstring_what_is_before_its_sections_is_taken_and_their_kinds_are_the_labels():
    numpy = "Add two numbers.\n\nThey may be any.\n\nParameters\nx : int\nSee Also\nsub\n\nExamples\nRaises ValueError."
    assert beginning(numpy) == ("Add two numbers. They may be any.", ["examples", "parameters", "see also"])
    google = "Load a file.\nArgs:\n    path: where it is\nYields:\n    lines\nRaises:\n    OSError"
    assert beginning(google) == ("Load a file.", ["parameters", "raises", "returns"])
    fields = "Send it.\n:param to: whom\n:raises Timeout: never\n.. note:: It is slow."
    assert beginning(fields) == ("Send it.", ["notes", "parameters", "raises"])
    assert beginning("Example::\n\n    code") == ("", ["examples"])
    assert beginning("Old.\n.. deprecated:: 1.0\nReturns nothing.") == ("Old.", [])
    assert beginning("Returns a number.\nNotes on it are below") == ("Returns a number. Notes on it are below", [])
    assert beginning("word " * 100)[0] == ("word " * 64).strip()
