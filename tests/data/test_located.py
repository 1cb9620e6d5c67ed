"""Where the rows of a split stand in the file that they are from."""

import numpy as np
import pandas as pd
import pytest

from tests.stages.conftest import write_csv
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.file_rows import FileRows
from tinydistill.data.tasks.files import TaskFiles
from tinydistill.data.tasks.glue import GlueTask
from tinydistill.data.tasks.located import located
from tinydistill.data.tasks.sources import SomeRows, TaskSource, WithSelection
from tinydistill.errors import InputError

ROWS = [(f"text {i % 37}", "ab"[i % 2], ("mail", "chat")[i % 3 == 0]) for i in range(200)]
HEADER = ("text", "label", "from")


@pytest.fixture
def source(tmp_path) -> TaskFiles:
    """Rows of one file, of which validation rows are cut off; many texts stand there several times."""
    return TaskFiles(write_csv(tmp_path / "all.csv", ROWS, header=HEADER), validation_fraction=0.2)


def found(source: TaskSource, *columns: str) -> FileRows:
    return located(source.validation()["validation"], columns)


def test_rows_that_were_cut_off_have_their_lines_in_the_training_file(source):
    split = source.validation()["validation"]
    rows = found(source, "from")
    assert rows.unit == "line"
    assert [ROWS[line - 2][0] for line in rows.places] == split.texts
    assert len(set(rows.places)) == len(split)
    assert rows.columns == {"from": [ROWS[line - 2][2] for line in rows.places]}


def test_they_have_them_through_tasks_that_take_some_rows(source):
    some = SomeRows(WithSelection(source, 20), rows=7)
    assert [ROWS[line - 2][0] for line in found(some).places] == some.validation()["validation"].texts


def test_rows_of_another_file_and_of_a_table_in_memory_have_their_places(source, tmp_path):
    file = write_csv(tmp_path / "more.csv", [("b", "x"), ("", "x"), ("a", "y")][::2], header=("text", "from"))
    split = source.unlabeled(file).take(np.array([1, 0]))
    assert located(split, ["from"]) == FileRows("line", [3, 2], {"from": ["y", "x"]})
    table = pd.DataFrame({"text": ["b", "a"], "label": [1, 0]})
    assert found(TaskFiles(table, table)).places == [0, 1]


def test_rows_of_glues_original_files_have_their_lines(tmp_path):
    (tmp_path / "SST-2").mkdir()
    for name in ("train", "dev"):
        (tmp_path / "SST-2" / f"{name}.tsv").write_text("sentence\tlabel\ngood\t1\nbad\t0\n")
    task = GlueTask(tmp_path, config="sst2", text="sentence", labels=("negative", "positive"), directory="SST-2")
    assert found(task) == FileRows("line", [2, 3], {})


def test_a_column_that_is_not_there_is_one_clear_line(source):
    with pytest.raises(InputError, match="the rows have no column 'sender' but text, from, label: name others"):
        found(source, "sender")
    split = Split("validation", ["a"], labels=np.array([0]))
    assert located(split, ()) == FileRows("line", ())
    with pytest.raises(InputError, match="the column from is asked for, and the rows come from no file of yours"):
        located(split, ["from"])
