"""Probabilities in place of labels, and rows without labels: read, checked, and named where they are wrong."""

import json

import numpy as np
import pandas as pd
import pytest

from tests.data.conftest import GivenTask, task_complaint
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.tasks.files import TaskFiles
from tinydistill.data.tasks.sources import SomeRows, WithSelection
from tinydistill.data.tasks.tag_files import TagFiles
from tinydistill.errors import InputError
from tinydistill.kinds import kind_of

TEXTS, SHARES = ["a cat", "a dog", "a fish"], [[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.0, 0.25, 0.75]]
NAMES = ("cat", "dog", "fish")


def source(columns, **options) -> TaskFiles:
    frame = pd.DataFrame({"text": TEXTS, **columns})
    return TaskFiles(frame, validation=frame, **options)


def columns_of(shares) -> dict[str, list]:
    return {f"p({name})": list(of) for name, of in zip(NAMES, zip(*shares, strict=True), strict=True)}


def test_a_column_a_class_names_the_classes_and_the_likeliest_is_the_label():
    task = source(columns_of(SHARES), soft_labels=[f"p({name})" for name in NAMES])
    assert task.target.labels == NAMES
    split = task.train()
    assert split.soft == pytest.approx(np.array(SHARES))
    assert split.labels.tolist() == [0, 1, 2]
    assert task.validation()["validation"].take(np.array([2])).soft == pytest.approx(np.array(SHARES[2:]))


def test_labels_that_are_there_too_stay():
    columns = {**columns_of(SHARES), "label": ["dog", "dog", "fish"]}
    split = source(columns, soft_labels=[f"p({name})" for name in NAMES]).train()
    assert split.labels.tolist() == [1, 1, 2]


@pytest.mark.parametrize(
    "cells",
    [
        SHARES,
        [json.dumps(row) for row in SHARES],
        [dict(zip(NAMES, row, strict=True)) for row in SHARES],
        [json.dumps(dict(zip(NAMES, row, strict=True))) for row in SHARES],
    ],
    ids=["lists", "lists as JSON", "objects", "objects as JSON"],
)
def test_one_column_may_hold_them_all(cells):
    split = source({"soft": cells}, soft_labels=["soft"], labels=NAMES).train()
    assert split.soft == pytest.approx(np.array(SHARES), abs=1e-6)


def test_rounded_figures_are_made_to_add_up():
    split = source({"soft": [[0.33, 0.33, 0.33]] * 3}, soft_labels=["soft"], labels=NAMES).train()
    assert split.soft.sum(1) == pytest.approx(np.ones(3))


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [
        ([0.5, 0.2, 0.1], "row 1: the probabilities of its classes add up to 0.8"),
        ([0.5, float("nan"), 0.5], "row 1: column 'soft' holds nan, which is no probability"),
        ([0.5, -0.1, 0.6], "row 1: column 'soft' holds -0.1, which is no probability"),
        ([0.5, "many", 0.5], "row 1: column 'soft' holds 'many', which is no probability"),
        ([0.5, 0.5], "row 1: column 'soft' holds [0.5, 0.5], which is no list of 3 probabilities"),
        ("cat", "row 1: column 'soft' holds 'cat', which is no list of 3 probabilities and no object"),
        (
            {"cat": 0.5, "bird": 0.5},
            "row 1: column 'soft' has a probability of 'bird', which is none of cat, dog, fish",
        ),
    ],
)
def test_what_is_no_probability_is_named_with_its_row(cell, complaint):
    task = source({"soft": [SHARES[0], cell, SHARES[2]]}, soft_labels=["soft"], labels=NAMES)
    assert complaint in task_complaint(task)


def test_probabilities_without_names_are_refused():
    assert "holds probabilities without names: set labels" in task_complaint(
        source({"soft": SHARES}, soft_labels=["soft"])
    ).replace("Target.", "")


def test_the_logits_that_stand_for_probabilities_give_them_back():
    logits = kind_of(source({"soft": SHARES}, soft_labels=["soft"], labels=NAMES).target).soft_logits(np.array(SHARES))
    assert np.isfinite(logits).all()
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert shares == pytest.approx(np.array(SHARES), abs=1e-5)


def test_other_probabilities_are_another_task():
    changed = [SHARES[1], *SHARES[1:]]
    one, other = (
        source({"soft": of, "label": list(NAMES)}, soft_labels=["soft"], labels=NAMES) for of in (SHARES, changed)
    )
    assert one.identity() != other.identity()


# rows without labels


def test_rows_without_labels_come_after_the_task_s_own(tmp_path, tokenizer, cache):
    (tmp_path / "more.csv").write_text("text,text_pair\nthe cat,the dog\na fish,a bird\n")
    rows = TaskDataModule(GivenTask(pairs=True), tokenizer, cache_dir=cache, unlabeled=tmp_path / "more.csv")
    assert (len(rows.train), rows.train.labels) == (52, None)
    assert (rows.train.texts[50:], rows.train.pairs[50:]) == (["the cat", "a fish"], ["the dog", "a bird"])
    assert rows.validation["matched"].labels is not None
    assert sum(len(batch["row"]) for batch in rows.train_dataloader()) == 52


def test_a_file_of_other_columns_is_one_clear_line(tmp_path):
    (tmp_path / "more.csv").write_text("message\nthe cat\n")
    with pytest.raises(InputError, match=r"more.csv has no column 'text' but message"):
        source({"label": list(NAMES)}).unlabeled(str(tmp_path / "more.csv"))


def test_labels_in_that_file_are_not_looked_at(tmp_path):
    (tmp_path / "more.csv").write_text("text,label\nthe cat,who knows\n")
    task = SomeRows(WithSelection(source({"label": list(NAMES)}), rows=0), rows=2)
    split = task.unlabeled(str(tmp_path / "more.csv"))
    assert (split.texts, split.labels) == (["the cat"], None)


def test_words_without_tags_are_taken_too(tmp_path):
    (tmp_path / "more.txt").write_text("the\ncat\n\na\ndog\n")
    assert TagFiles(text="1").unlabeled(str(tmp_path / "more.txt")).texts == ["the cat", "a dog"]
