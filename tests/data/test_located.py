"""Where the rows of a split stand in the file that they are from."""

import numpy as np
import pandas as pd
import pytest

from tests.stages.conftest import write_csv
from tinydistill.data.tasks.docstrings import DocstringsTask
from tinydistill.data.tasks.files import TaskFiles
from tinydistill.data.tasks.located import Located, located
from tinydistill.data.tasks.sources import SomeRows, WithSelection
from tinydistill.errors import InputError

ROWS = [(f"text {i % 37}", "ab"[i % 2], ("mail", "chat")[i % 3 == 0]) for i in range(200)]
HEADER = ("text", "label", "from")


@pytest.fixture
def source(tmp_path) -> TaskFiles:
    """Rows of one file, of which validation rows are cut off; many texts stand there several times."""
    return TaskFiles(write_csv(tmp_path / "all.csv", ROWS, header=HEADER), validation_fraction=0.2)


def test_rows_that_were_cut_off_are_found_in_the_training_file(source):
    split = source.validation()["validation"]
    found = located(source, split, ["from"])
    assert found.unit == "line"
    assert [ROWS[line - 2][0] for line in found.places] == split.texts
    assert len(set(found.places)) == len(split)
    assert found.columns["from"] == [ROWS[line - 2][2] for line in found.places]


def test_they_are_found_through_tasks_that_take_some_rows(source):
    some = SomeRows(WithSelection(source, 20), rows=7)
    split = some.validation()["validation"]
    assert [ROWS[line - 2][0] for line in located(some, split).places] == split.texts


def test_rows_of_another_file_and_of_a_table_in_memory_are_found(source, tmp_path):
    file = write_csv(tmp_path / "more.csv", [("b", "x"), ("", "x"), ("a", "y")][::2], header=("text", "from"))
    split = source.unlabeled(file).take(np.array([1, 0]))
    assert located(source, split, ["from"], file) == Located("line", [3, 2], {"from": ["y", "x"]})
    table = pd.DataFrame({"text": ["b", "a"], "label": [1, 0]})
    inside = TaskFiles(table, table)
    assert located(inside, inside.validation()["validation"]).places == [0, 1]


def test_a_column_of_rows_that_come_from_no_file_is_one_clear_line(tmp_path, source):
    task = DocstringsTask(tmp_path)
    split = source.validation()["validation"]
    assert located(task, split) == Located()
    with pytest.raises(InputError, match="the column from is asked for, and the rows come from no file of yours"):
        located(task, split, ["from"])
    with pytest.raises(InputError, match="sender"):
        located(source, split, ["sender"])
