"""The parts of the rows that are looked at by themselves."""

import numpy as np

from tests.certification.conftest import answers_of
from tinydistill.certification.certificate import Level, agreement, certify, sliced
from tinydistill.certification.slices import by_column, by_known_words, by_label, by_length


def members(slices) -> dict[str, list[int]]:
    return {one.name: np.flatnonzero(one.rows).tolist() for one in slices}


def test_lengths_are_cut_into_quarters_that_hold_every_row_once():
    lengths = np.random.default_rng(0).integers(3, 60, 401)
    found = by_length(lengths)
    assert len(found) == 4
    assert (sum(one.rows.astype(int) for one in found) == 1).all()
    assert max(one.rows.sum() for one in found) - min(one.rows.sum() for one in found) < 20


def test_rows_of_few_lengths_have_fewer_parts():
    assert members(by_length(np.array([5, 5, 5, 5, 9]))) == {"5 tokens": [0, 1, 2, 3], "6 to 9 tokens": [4]}
    assert members(by_length(np.full(3, 7))) == {"7 tokens": [0, 1, 2]}


def test_a_class_without_rows_is_a_slice_without_figures():
    found = by_label("label", np.eye(3, dtype=bool)[[0, 0, 2]], ["a", "b", "c"])
    assert members(found) == {"a": [0, 1], "b": [], "c": [2]}
    assert agreement(np.zeros(0, bool), Level()) == {"rows": 0, "agreeing": 0, "agreement": None, "bound": None}


def test_a_column_has_its_commonest_values_and_all_others_together():
    values = ["mail"] * 3 + [""] + [f"rare {i}" for i in range(25)]
    found = members(by_column("source", values))
    assert found["mail"] == [0, 1, 2]
    assert found["(empty)"] == [3]
    assert sum(map(len, found.values())) == len(values)
    assert len(found) == 21


def test_words_are_unknown_that_no_training_row_has():
    found = members(by_known_words(["The cat, sat!", "a zebra sat"], ["the CAT sat", "a dog"]))
    assert found == {"all known": [0], "some unknown": [1]}


def test_a_certificate_counts_what_is_there():
    random = np.random.default_rng(0)
    teacher = random.normal(size=(300, 3)).astype(np.float32)
    student = teacher.copy()
    student[:6] = -teacher[:6]
    labels = teacher.argmax(-1)
    answers = answers_of(student, teacher, labels)
    found = certify(answers, answers, None, by_length(np.arange(300)), Level(0.9, 0.95))
    assert (found["rows"], found["agreeing"]) == (300, 294)
    assert 0.955 < found["bound"] < found["agreement"] == 0.98
    assert found["flips"] == {"negative": 6, "positive": 0, "both_wrong": 0}
    assert found["temperature"] == 1.0
    assert found["cascade"]["value"] == 0.0
    assert found["cascade"]["rows"] == 240  # a fifth only chose the candidates
    assert [one["rows"] for one in found["slices"] if one["group"] == "length"] == [75] * 4


def test_without_labels_there_is_agreement_by_what_the_teacher_says():
    logits = np.eye(2, dtype=np.float32)[[0, 0, 1]]
    found = sliced(answers_of(logits, logits[[0, 2, 2]], names="ab"), [], Level())
    assert [(one["group"], one["name"], one["rows"], one["agreeing"]) for one in found] == [
        ("teacher's answer", "a", 1, 1),
        ("teacher's answer", "b", 2, 1),
    ]
