"""A kind of task: classes in an order, such as stars, of which the one beside the right one is nearly right."""

from functools import cached_property

import numpy as np

from tinydistill import Target, TaskFiles
from tinydistill.kinds import counted
from tinydistill.kinds.base import of_targets
from tinydistill.kinds.sequence import SequenceClassification

counted.SCORES["near"] = counted.share("near", "rows")  # the share of rows that are at most one class off


class Ordered(Target):
    """One of the labels, which stand in their order."""


@of_targets(Ordered)
class OrdinalClassification(SequenceClassification):
    """A classification whose students learn the teacher's cumulative probabilities."""

    metrics = ("near",)

    def soft_loss(self, logits, batch, *, temperature=1.0, scale=1.0):
        """The squared difference of the cumulative probabilities, a mean over the batch."""
        ours, theirs = ((of.float() / temperature).softmax(-1).cumsum(-1) for of in (logits, batch["teacher_logits"]))
        return scale * (ours - theirs).square().sum(-1).mean()

    def scores(self, names, answers, split):
        """From what is counted."""
        counts = {name[2:-1]: values for name, values in self.columns(split, answers, None).items()}
        return counted.scores_of(names, counts)

    def columns(self, split, answers, logits):
        """Of every row in a file of predictions; reports make intervals from it."""
        near = np.abs(np.asarray(answers) - split.labels) <= 1
        return {"n(near)": near.astype(float), "n(rows)": np.ones(len(near))}


class OrderedFiles(TaskFiles):
    """The rows of task=files, whose labels are in an order."""

    @cached_property
    def target(self):
        """The labels as they are given, or whole numbers by size."""
        return Ordered(super().target.labels)
