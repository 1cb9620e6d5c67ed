from pathlib import Path

import numpy as np
import pytest

from tests.stages.conftest import animal_rows, write_csv
from tinydistill.data.tasks.files import TaskFiles
from tinydistill.data.tasks.sample import TaskSample
from tinydistill.data.tasks.tables import Columns


@pytest.fixture
def task(tmp_path) -> TaskFiles:
    files = (
        Path(write_csv(tmp_path / f"{name}.csv", animal_rows(count, seed)))
        for name, count, seed in (("train", 200, 0), ("validation", 40, 1))
    )
    train, validation = files
    return TaskFiles(train, Columns("text", None, "label"), validation)


def test_a_share_of_every_class_is_kept_and_all_of_validation(task):
    sample = TaskSample(task, 0.1)
    assert np.bincount(sample.train().labels).tolist() == [10, 10]
    assert len(sample.validation()["validation"]) == 40
    assert sample.target == task.target
    assert sample.test() == {}


def test_the_sample_is_fixed_and_a_smaller_one_is_part_of_it(task):
    whole, tenth, half = task.train().texts, TaskSample(task, 0.1).train().texts, TaskSample(task, 0.5).train().texts
    assert TaskSample(task, 0.1).train().texts == tenth
    assert set(tenth) < set(half) < set(whole)
    assert tenth == [text for text in whole if text in tenth]
    assert set(TaskSample(task, 0.1, seed=1).train().texts) != set(tenth)


def test_another_share_is_another_task(task):
    assert len({task.identity(), TaskSample(task, 0.1).identity(), TaskSample(task, 0.2).identity()}) == 3
