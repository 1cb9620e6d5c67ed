"""A task on some of its rows."""

from dataclasses import dataclass

import numpy as np

from tinydistill.data.tasks.examples import Split, Target
from tinydistill.data.tasks.sources import TaskSource


@dataclass(frozen=True)
class FewRows(TaskSource):
    """Of every split of a task a share of the rows, and no more than so many: always the same ones.

    A row of every class is among them, as far as the number goes.
    """

    source: TaskSource
    rows: int | None = None
    share: float = 1.0

    @property
    def target(self) -> Target:
        """That of all rows."""
        return self.source.target

    def train(self) -> Split:
        """Some of the training rows."""
        return self._some(self.source.train())

    def validation(self) -> dict[str, Split]:
        """Some of the rows of the validation splits."""
        return {name: self._some(split) for name, split in self.source.validation().items()}

    def test(self) -> dict[str, Split]:
        """Some of the rows of the test splits."""
        return {name: self._some(split) for name, split in self.source.test().items()}

    def _some(self, split: Split) -> Split:
        wanted = max(2, round(self.share * len(split)))
        wanted = min(wanted, len(split), len(split) if self.rows is None else self.rows)
        rows = np.random.default_rng(0).permutation(len(split))
        if split.labels is not None and not self.target.regression:
            _, firsts = np.unique(split.labels[rows], return_index=True)
            rows = np.concatenate([rows[np.sort(firsts)], np.delete(rows, firsts)])
        return split.take(np.sort(rows[:wanted]))
