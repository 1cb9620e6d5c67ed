"""A task with a share of its training rows."""

from dataclasses import dataclass

import numpy as np

from tinydistill.data.tasks.examples import Split, Table, Target
from tinydistill.data.tasks.files import cut_off
from tinydistill.data.tasks.sources import TaskSource


@dataclass(frozen=True)
class TaskSample(TaskSource):
    """Another task, of whose training rows about `share` are used: of every class those with the smallest hashes.

    Which ones depends on `seed` and the texts, on no order; a smaller share is a part of a larger one. Validation and
    test rows are all there.
    """

    source: TaskSource
    share: float
    seed: int = 0

    @property
    def target(self) -> Target:
        """As of the whole task."""
        return self.source.target

    def train(self) -> Split:
        """The sample, in the order of its source."""
        whole = self.source.train()
        assert whole.labels is not None
        table = Table(whole.name, texts=whole.texts, pairs=whole.pairs)
        classes = np.zeros(len(whole), np.int64) if self.target.regression else whole.labels
        return whole.take(np.flatnonzero(cut_off(table, classes, self.share, self.seed)))

    def validation(self) -> dict[str, Split]:
        """As of the whole task."""
        return self.source.validation()

    def test(self) -> dict[str, Split]:
        """As of the whole task."""
        return self.source.test()
