"""The figures of a certificate, of classes and of other kinds."""

import numpy as np
import pytest

from tests.certification.conftest import answers_of, of_kind
from tinydistill.certification.certificate import Level, certify
from tinydistill.certification.slices import by_column
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.several_labels import SeveralLabels
from tinydistill.data.tasks.targets import Target
from tinydistill.kinds import kind_of
from tinydistill.kinds.several_labels import MultiLabelClassification

LEVEL = Level(0.9, 0.95)


def drawn(random, rows: int):
    """A student that is right less often than its teacher, and too sure of itself."""
    teacher = 2 * random.normal(size=(rows, 3))
    student = 1.5 * teacher + random.normal(size=(rows, 3))
    labels = (teacher + random.normal(size=(rows, 3))).argmax(-1)
    return answers_of(student.astype(np.float32), teacher.astype(np.float32), labels)


def test_the_figures_of_classes_stay_what_they_were():
    random = np.random.default_rng(7)
    rows, kept = drawn(random, 400), drawn(random, 150)
    found = certify(rows, rows, kept, by_column("source", ["mail", "chat"] * 200), LEVEL)
    without = certify(rows, rows, None, [], LEVEL)
    slices = [(one["group"], one["name"], one["rows"], one["agreeing"]) for one in found.pop("slices")]
    cascades = [of.pop("cascade") for of in (found, without)]
    shares, flips = [of.pop("shares") for of in cascades], found.pop("flips")
    assert found == pytest.approx(
        {
            "rows": 400,
            "agreeing": 344,
            "agreement": 0.86,
            "bound": 0.8282229807244599,
            "loyalty": 0.8205022017642906,
            "temperature": 1.6902852228547829,
            "ece": 0.07329866084261362,
            "nll": 0.5636371519566694,
            "ece_calibrated": 0.06406261240225368,
            "nll_calibrated": 0.5543412635133625,
        },
        rel=1e-9,
    )
    assert flips == {"negative": 34, "positive": 15, "both_wrong": 7}
    assert cascades == [
        pytest.approx(
            {"value": value, "rows": rows, "agreeing": agreeing, "share": share, "tested": tested, "least_rows": 29}
        )
        for value, rows, agreeing, share, tested in (
            (0.5443976147331024, 312, 290, 0.78, 17),
            (0.6809864207363027, 235, 222, 0.734375, 8),
        )
    ]
    assert shares == [
        pytest.approx((0.7361566841724908, 0.8196440427479093)),
        pytest.approx((0.6823916007242101, 0.7819605632714308)),
    ]
    assert slices == [
        ("teacher's answer", "a", 119, 104),
        ("teacher's answer", "b", 144, 121),
        ("teacher's answer", "c", 137, 119),
        ("label", "a", 128, 109),
        ("label", "b", 129, 111),
        ("label", "c", 143, 124),
        ("source", "chat", 200, 173),
        ("source", "mail", 200, 171),
    ]


def test_numbers_are_alike_within_a_share_of_the_labels_range_and_have_no_cascade():
    training = Split("train", ["a", "b", "c"], labels=np.array([0, 5, 2], np.float32))
    kind = kind_of(Target()).within(0.1, training)
    assert kind.alike_with == "numbers within 0.5 of each other"
    teacher = np.array([[1.0], [2.0], [3.0], [4.0]], np.float32)
    student = teacher + np.array([[0.5], [-0.5], [0.51], [1.0]], np.float32)
    rows = of_kind(kind, student, teacher, np.array([1.0, 3.0, 3.0, 5.0], np.float32))
    found = certify(rows, rows, None, [], LEVEL)
    assert (found["rows"], found["agreeing"]) == (4, 2)
    assert found["flips"] == {"negative": 1, "positive": 1, "both_wrong": 0}
    assert (
        found["cascade"] is found["temperature"] is found["loyalty"] is found["ece"] is found["nll_calibrated"] is None
    )
    assert found["slices"] == []


def several(random, rows: int):
    """Three labels, each decided a little otherwise by the student; thresholds of its own."""
    target = SeveralLabels(("a", "b", "c"))
    teacher = 6 * random.normal(size=(rows, 3))
    student = teacher + random.normal(size=(rows, 3))
    labels = (teacher + random.normal(size=(rows, 3)) > 0).astype(np.float32)
    answers = of_kind(MultiLabelClassification(target), student, teacher, labels)
    assert isinstance(answers.student.kind, MultiLabelClassification)
    return answers


def test_several_labels_are_alike_where_all_are_and_each_is_a_decision():
    random = np.random.default_rng(3)
    rows, kept = several(random, 500), several(random, 200)
    found = certify(rows, rows, kept, [], LEVEL)
    ours, theirs = rows.student.answers, rows.teacher.answers
    known = rows.split.labels > 0
    assert found["agreeing"] == (ours == theirs).all(1).sum()
    assert found["parts"] == {"of": "labels of the rows", "count": 1500, "equal": (ours == theirs).sum()}
    assert found["parts"]["equal"] / 1500 > found["agreement"]
    right, taught = ((of == known).all(1) for of in (ours, theirs))
    assert found["flips"]["negative"] == (taught & ~right).sum()
    assert found["temperature"] is not None
    assert 0 < found["ece"] < 0.2
    by_label = {(one["group"], one["name"]): one["rows"] for one in found["slices"]}
    assert by_label["label", "b"] == known[:, 1].sum()
    assert by_label["teacher's answer", "c"] == theirs[:, 2].sum()


def test_a_cascade_of_several_labels_goes_by_the_label_that_is_nearest_to_its_threshold():
    random = np.random.default_rng(3)
    rows, kept = several(random, 500), several(random, 200)
    found = certify(rows, rows, kept, [], LEVEL)["cascade"]
    above = rows.student.confidences(None) >= found["value"]
    assert found["rows"] == above.sum()
    assert 0.2 < found["share"] < 1
    assert rows.agree[above].mean() > 0.9 > rows.agree.mean()
