"""Where the rows of a task come from."""

import hashlib
from abc import ABC, abstractmethod

from tinydistill.data.tasks.examples import Split, Target


class TaskSource(ABC):
    """The splits of a task and what it predicts.

    Subclass it for your own, which a configuration names as `_target_` and makes from plain arguments.
    A subclass needs `target`, `train` and `validation`. The command line shows an `InputError` that they raise as one
    line.
    """

    @property
    @abstractmethod
    def target(self) -> Target:
        """The classes in their order, or a number."""

    @abstractmethod
    def train(self) -> Split:
        """The training rows, all labeled."""

    @abstractmethod
    def validation(self) -> dict[str, Split]:
        """Labeled splits by name; the first is the one to monitor."""

    def test(self) -> dict[str, Split]:
        """Splits by name, mostly without labels; empty where the task has none."""
        return {}

    def identity(self) -> str:
        """The same for the same training and validation rows, wherever they lie."""
        splits = {"train": self.train(), **self.validation()}
        return hashlib.sha256(repr([self.target, *((n, s.identity()) for n, s in splits.items())]).encode()).hexdigest()
