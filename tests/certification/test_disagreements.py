"""The table of rows that are answered otherwise, and the certificate in config.json."""

import json

import numpy as np
import pandas as pd
from transformers import BertConfig

from tests.certification.conftest import answers_of, of_kind
from tinydistill.artifacts.files import check, seal
from tinydistill.certification import disagreements
from tinydistill.certification.entry import read_entry, write_entry
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.targets import Target
from tinydistill.kinds import kind_of


def test_negative_flips_come_first_with_line_text_and_columns(tmp_path):
    logits = np.array([[2, 0], [1, 0], [3, 0], [0, 1]], np.float32)
    teacher = np.array([[0, 1], [0, 1], [0, 1], [0, 1]], np.float32)
    answers = answers_of(logits, teacher, np.array([0, 1, 1, 1]), ["no", "yes"])
    columns = {"line": [2, 3, 4, 5], "text": ["one", "=two", "three", "four"]}
    disagreements.write(tmp_path / "made" / "all.tsv", answers, 2.0, np.arange(10, 14), columns)
    table = pd.read_csv(tmp_path / "made" / "all.tsv", sep="\t")
    assert table["row"].tolist() == [12, 11, 10]
    assert table["flip"].tolist() == ["teacher alone is right"] * 2 + ["student alone is right"]
    assert table["line"].tolist() == [4, 3, 2]
    assert table["text"].tolist() == ["three", "'=two", "one"]  # no formula
    assert table[["label", "teacher", "student"]].iloc[0].tolist() == ["yes", "yes", "no"]
    assert table["confidence"].tolist() == [0.8176, 0.6225, 0.7311]


def test_without_labels_nothing_is_said_of_who_is_right(tmp_path):
    answers = answers_of(np.array([[1, 0]], np.float32), np.array([[0, 1]], np.float32), names=["no", "yes"])
    disagreements.write(tmp_path / "all.tsv", answers, 1.0, np.arange(1), {"text": ["one"]})
    table = pd.read_csv(tmp_path / "all.tsv", sep="\t")
    assert "label" not in table
    assert table["flip"].isna().all()


def test_numbers_that_are_both_near_the_label_and_not_near_each_other_are_both_right(tmp_path):
    kind = kind_of(Target()).within(0.1, Split("train", ["a", "b"], labels=np.array([0, 5], np.float32)))
    student, teacher = np.array([[1.6], [2.0]], np.float32), np.array([[2.4], [2.5]], np.float32)
    answers = of_kind(kind, student, teacher, np.array([2.0, 2.0], np.float32))
    disagreements.write(tmp_path / "all.tsv", answers, None, np.arange(2), {"text": ["one", "two"]})
    table = pd.read_csv(tmp_path / "all.tsv", sep="\t")
    assert table.columns.tolist() == ["row", "flip", "label", "teacher", "student", "text"]
    assert table["flip"].tolist() == ["both are right"]


def test_an_entry_keeps_the_directory_whole_and_transformers_keeps_the_entry(tmp_path):
    BertConfig().save_pretrained(tmp_path)
    (tmp_path / "notes.txt").write_text("more")
    seal(tmp_path)
    assert read_entry(tmp_path) == {}
    entry = {"agreement": 0.99, "models": {"model.safetensors": {"threshold": None}}}
    write_entry(tmp_path, entry)
    check(tmp_path)
    assert read_entry(tmp_path) == entry
    BertConfig.from_pretrained(tmp_path).save_pretrained(tmp_path / "again")
    assert json.loads((tmp_path / "again" / "config.json").read_text())["certificate"] == entry
