"""Predictions by row: written for people, read again for comparisons."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from tests.stages.conftest import write_csv
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.files import TaskFiles
from tinydistill.data.tasks.targets import Target
from tinydistill.errors import InputError
from tinydistill.kinds import kind_of
from tinydistill.training.prediction_files import Predictions, prediction_file, read_predictions, write_predictions

CLASSES, NUMBERS = kind_of(Target(("nan", "a\tb", "None", "0"))), kind_of(Target())


def logits_of(rows: int, outputs: int) -> np.ndarray:
    return np.random.default_rng(rows).normal(size=(rows, outputs)).astype(np.float32)


def split(labels) -> Split:
    return Split("validation", ["text"] * 5, labels=labels)


def test_predictions_of_classes_are_read_as_they_were_written_whatever_the_classes_are_called(tmp_path):
    file, logits = prediction_file(tmp_path, "validation"), logits_of(5, 4)
    write_predictions(file, split(np.array([0, 1, 2, 3, 0])), CLASSES, logits)
    said = read_predictions(file)
    assert said is not None
    assert said.classes == 4
    assert said.rows.tolist() == [0, 1, 2, 3, 4]
    assert said.labels.tolist() == [0, 1, 2, 3, 0]
    assert said.predictions.tolist() == logits.argmax(-1).tolist()


def test_predictions_of_numbers_keep_all_digits(tmp_path):
    file, numbers = prediction_file(tmp_path, "validation", of="teacher"), logits_of(5, 1) * 1e-3
    write_predictions(file, split(np.array([0.1, 1, 2, 3, 4], np.float32)), NUMBERS, numbers)
    said = read_predictions(file)
    assert said is not None
    assert said.classes == 0
    assert said.predictions.astype(np.float32).tolist() == numbers[:, 0].tolist()
    assert said.labels.astype(np.float32).tolist() == split(np.array([0.1, 1, 2, 3, 4], np.float32)).labels.tolist()


def test_a_part_of_the_rows_keeps_their_numbers(tmp_path):
    file, labels = prediction_file(tmp_path, "validation"), np.array([0, 1, 2, 3, 0])
    write_predictions(file, split(labels), CLASSES, logits_of(2, 4), rows=np.array([1, 3]))
    said, whole = read_predictions(file), tmp_path / "whole.tsv"
    write_predictions(whole, split(labels), CLASSES, logits_of(5, 4))
    assert said is not None
    assert (said.rows.tolist(), said.labels.tolist()) == ([1, 3], [1, 3])
    assert said.same_rows(said)
    assert not said.same_rows(read_predictions(whole))


def test_without_a_file_or_labels_there_is_nothing_to_compare(tmp_path):
    file = prediction_file(tmp_path, "test")
    assert read_predictions(file) is None
    write_predictions(file, split(None), CLASSES, logits_of(5, 4))
    assert read_predictions(file) is None


def test_two_models_are_alike_by_the_same_classes_or_by_how_their_numbers_rise_together():
    rows = np.arange(4)
    ours, theirs = (Predictions(rows, rows % 2, np.array(said), ("a", "b")) for said in ([0, 1, 1, 1], [0, 1, 0, 1]))
    assert ours.alike(theirs) == 0.75
    words, others = (
        Predictions(rows, rows, np.array(list(said)), (), ("n",), rows[:, None]) for said in ("abca", "abcd")
    )
    assert words.alike(others) == 0.75
    numbers, twice = (Predictions(rows, rows, factor * np.array([1.0, 3, 2, 5])) for factor in (1, 2))
    assert numbers.alike(twice) == pytest.approx(1)
    assert np.isnan(numbers.alike(replace(numbers, predictions=np.ones(4))))


@pytest.mark.parametrize("content", ["", "row\tlabel\n0\ta\n", "row\tlabel\tprediction\tp(a)\n0\ta\tb\t1\n"])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "damaged.tsv").write_text(content)
    with pytest.raises(InputError, match="damaged.tsv holds no predictions of tinydistill"):
        read_predictions(tmp_path / "damaged.tsv")


def test_a_line_has_the_text_its_place_in_the_file_and_the_columns_of_the_user(tmp_path):
    """Also where the file has a column that is called as one of the answers is."""
    rows = [(f"text {n}", "0" if n % 2 else "None", f"id-{n}", "=1+1") for n in range(5)]
    file = write_csv(tmp_path / "rows.csv", rows, ("message", "label", "ticket", "prediction"))
    source = TaskFiles(validation=file, text="message", labels=CLASSES.target.labels)
    written = prediction_file(tmp_path, "validation")
    write_predictions(written, source.validation()["validation"], CLASSES, logits_of(5, 4))
    header, first, *_ = list(csv.reader(written.open(newline=""), delimiter="\t"))
    assert header[-4:] == ["line", "message", "ticket", "file: prediction"]
    assert first[-4:] == ["2", "text 0", "id-0", "'=1+1"]
    assert read_predictions(written).labels.tolist() == [2, 3, 2, 3, 2]


def test_a_part_of_the_rows_keeps_their_texts(tmp_path):
    file = write_csv(tmp_path / "rows.csv", [(f"text {n}", "0" if n % 2 else "None") for n in range(5)])
    split = TaskFiles(validation=file, labels=CLASSES.target.labels).validation()["validation"]
    written = prediction_file(tmp_path, "validation")
    write_predictions(written, split, CLASSES, logits_of(2, 4), rows=np.array([1, 3]))
    lines = list(csv.DictReader(written.open(newline=""), delimiter="\t"))
    assert [(line["row"], line["line"], line["text"]) for line in lines] == [("1", "3", "text 1"), ("3", "5", "text 3")]
