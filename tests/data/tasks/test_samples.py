import numpy as np
import pytest

from tests.data.conftest import GivenTask
from tests.stages.conftest import animal_rows, write_csv
from tinydistill.data.tasks.files import TaskFiles
from tinydistill.data.tasks.sources import SELECTION, SomeRows, WithSelection


@pytest.fixture
def task(tmp_path) -> TaskFiles:
    splits = (("train", 200, 0), ("validation", 40, 1))
    return TaskFiles(*(write_csv(tmp_path / f"{name}.csv", animal_rows(count, seed)) for name, count, seed in splits))


def test_a_share_of_every_class_is_kept_and_all_of_validation(task):
    sample = SomeRows(task, 0.1)
    assert np.bincount(sample.train().labels).tolist() == [10, 10]
    assert len(sample.validation()["validation"]) == 40
    assert sample.target == task.target
    assert sample.test() == {}


def test_the_sample_is_fixed_and_a_smaller_one_is_part_of_it(task):
    whole, tenth, half = task.train().texts, SomeRows(task, 0.1).train().texts, SomeRows(task, 0.5).train().texts
    assert SomeRows(task, 0.1).train().texts == tenth
    assert set(tenth) < set(half) < set(whole)
    assert tenth == [text for text in whole if text in tenth]
    assert set(SomeRows(task, 0.1, seed=1).train().texts) != set(tenth)


def test_another_share_is_another_task(task):
    assert len({task.identity(), SomeRows(task, 0.1).identity(), SomeRows(task, 0.2).identity()}) == 3


def test_every_split_keeps_no_more_than_so_many_rows():
    whole = GivenTask(pairs=True)
    for few, expected in ((SomeRows(whole, rows=7), 7), (SomeRows(whole, rows=70), 50), (SomeRows(whole), 50)):
        for split in (few.train(), *few.validation().values(), *few.test().values()):
            assert len(split) == len(split.pairs) == expected


def test_rows_keep_their_texts_labels_and_order_and_are_always_the_same():
    source = GivenTask(pairs=True)
    whole, few = source.train(), SomeRows(source, rows=12).train()
    rows = list(zip(whole.texts, whole.pairs, strict=True))
    places = [rows.index(row) for row in zip(few.texts, few.pairs, strict=True)]
    assert places == sorted(places)
    assert np.array_equal(few.labels, whole.labels[places])
    assert few.identity() == SomeRows(source, rows=12).train().identity() != whole.identity()


def test_no_class_is_lost():
    class Rare(GivenTask):
        def train(self):
            split = super().train()
            split.labels[:] = np.arange(len(split)) == 31
            return split

    assert set(SomeRows(Rare(), rows=2).train().labels) == {0, 1}


def test_a_regression_may_be_few_rows_too():
    assert len(SomeRows(GivenTask(regression=True), rows=3).train().labels) == 3


def test_a_share_of_the_training_rows_may_be_few_rows_too(task):
    tenth, few = SomeRows(task, 0.1).train().texts, SomeRows(task, 0.1, rows=5)
    assert len(few.train()) == len(few.validation()["validation"]) == 5
    assert set(few.train().texts) < set(tenth)


# rows kept aside to choose by


def test_training_rows_are_kept_aside_as_the_first_validation_split(task):
    split = WithSelection(task, rows=1000)
    kept, *others = split.validation().values()
    assert list(split.validation()) == [SELECTION, "validation"]
    assert (kept.name, len(kept), len(split.train())) == (SELECTION, 20, 180)
    assert sorted([*kept.texts, *split.train().texts]) == sorted(task.train().texts)
    assert [other.identity() for other in others] == [task.validation()["validation"].identity()]
    assert len(WithSelection(SomeRows(task, 0.9), rows=1000).validation()) == 1  # 18 of 180 say too little
    assert split.identity() != task.identity()


def test_which_rows_are_kept_aside_depends_on_texts_and_seed_alone(task, tmp_path):
    def kept(source: TaskFiles, seed: int = 0) -> set[str]:
        return set(WithSelection(source, rows=20, seed=seed).validation()[SELECTION].texts)

    turned = write_csv(tmp_path / "turned.csv", animal_rows(200, 0)[::-1])
    assert kept(task) == kept(TaskFiles(turned, task.rows["validation"])) != kept(task, seed=1)


def test_copies_of_a_text_stay_together_and_no_class_is_lost_to_what_is_kept_aside(task, tmp_path):
    rows = [*animal_rows(150, 0) * 2, ("the only bird", "bird")]
    for seed in range(12):
        split = WithSelection(TaskFiles(write_csv(tmp_path / "twice.csv", rows), task.rows["validation"]), 30, seed)
        assert len(split.validation()[SELECTION]) in (29, 30)
        assert not set(split.train().texts) & set(split.validation()[SELECTION].texts)
        assert "the only bird" in split.train().texts


def test_a_source_may_have_a_split_of_its_own_to_choose_by(task):
    class Prepared(GivenTask):
        def train(self):
            return task.train()

        def validation(self):
            return {SELECTION: task.train(), **super().validation()}

    assert len(WithSelection(Prepared(), rows=20).train()) == 200
