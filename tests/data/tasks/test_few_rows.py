import numpy as np

from tests.data.conftest import GivenTask
from tinydistill.data.tasks.few_rows import FewRows


def test_every_split_keeps_a_share_of_its_rows_and_no_more_than_so_many():
    whole = GivenTask(pairs=True)
    for few, expected in ((FewRows(whole, share=0.2), 10), (FewRows(whole, rows=7), 7), (FewRows(whole, 7, 0.1), 5)):
        for split in (few.train(), *few.validation().values(), *few.test().values()):
            assert len(split) == len(split.pairs) == expected


def test_rows_keep_their_texts_labels_and_order_and_are_always_the_same():
    source = GivenTask(pairs=True)
    whole, few = source.train(), FewRows(source, 12).train()
    rows = list(zip(whole.texts, whole.pairs, strict=True))
    places = [rows.index(row) for row in zip(few.texts, few.pairs, strict=True)]
    assert places == sorted(places)
    assert np.array_equal(few.labels, whole.labels[places])
    assert few.identity() == FewRows(source, 12).train().identity() != whole.identity()


def test_no_class_is_lost():
    class Rare(GivenTask):
        def train(self):
            split = super().train()
            split.labels[:] = np.arange(len(split)) == 31
            return split

    assert set(FewRows(Rare(), 2).train().labels) == {0, 1}


def test_a_regression_may_be_few_rows_too():
    assert len(FewRows(GivenTask(regression=True), 3).train().labels) == 3
