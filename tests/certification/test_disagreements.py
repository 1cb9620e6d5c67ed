"""The table of rows that are answered otherwise, and the certificate in config.json."""

import json

import numpy as np
import pandas as pd
from transformers import BertConfig

from tests.certification.conftest import answers_of
from tinydistill.artifacts.files import check, seal
from tinydistill.certification import disagreements
from tinydistill.certification.entry import read_entry, write_entry


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
