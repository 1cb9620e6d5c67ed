"""How well each class is found: a class that a model never says is seen though its accuracy is fine."""

import numpy as np

from tests.report.conftest import answered
from tinydistill.report.classes import of_classes
from tinydistill.report.collected import collect
from tinydistill.report.contents import Report
from tinydistill.report.scores import scores


def right(cats: float, dogs: float) -> list[bool]:
    """These shares of the hundred cats and the hundred dogs, which stand by turns."""
    of = np.stack([np.arange(100) < 100 * cats, np.arange(100) < 100 * dogs], 1)
    return of.ravel().tolist()


def made(maker, student: list[bool]):
    answered(maker.finetune("big", 0.9, "teacher"), right(0.9, 0.9))
    place = maker.task("small", 0.8, "big", 0.9)
    answered(place, student)
    answered(place, right(0.9, 0.9), of="teacher")
    (task,) = scores(collect([maker.root]))
    return task


def test_the_table_has_the_recall_of_each_class_and_the_matrix_of_the_student(maker):
    page = of_classes(made(maker, right(0.8, 0.7)))
    lines = page.splitlines()
    assert lines[0] == "| recall of | rows | teacher | student, distilled |"
    assert lines[2:5] == [
        "| cat | 100 | 0.900 | 0.800 |",
        "| dog | 100 | 0.900 | 0.700 |",
        "| **macro F1** | 200 | 0.900 | 0.749 |",
    ]
    assert lines[-2:] == ["| cat | 80 | 20 |", "| dog | 30 | 70 |"]
    assert "never" not in page


def test_a_class_that_the_student_never_predicts_is_said(maker):
    page = of_classes(made(maker, right(1, 0)))
    assert page.endswith("**student, distilled: never predicts dog (100 rows).**")
    written = Report(collect([maker.root]), maker.root)
    written.directory.joinpath("figures").mkdir()
    assert "never predicts dog" in written.write("title")


def test_without_predictions_there_is_nothing(maker):
    maker.task("small", 0.8, "big", 0.9)
    (task,) = scores(collect([maker.root]))
    assert of_classes(task) == ""
