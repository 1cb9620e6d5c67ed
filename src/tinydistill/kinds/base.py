"""What is peculiar to a kind of task, behind one class; which one a task is of follows from what it predicts.

B: windows in a batch (a row is one, unless it is long and its kind cuts it into several), L: tokens in the longest, C:
outputs of the prediction layer, N: rows of a split, P: tokens of all windows of a split.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from transformers import PretrainedConfig

from tinydistill.data.tasks.encoding import EncodedRows
from tinydistill.data.tasks.examples import Split, Target
from tinydistill.errors import InputError
from tinydistill.models.heads import Head

Batch = Mapping[str, Tensor]
Logits = NDArray[np.float32]
"""Of all windows of a split in their order: [N, C], or [P, C] where every token has outputs."""


class TaskKind(ABC):
    """How models of one kind of task learn, answer, and are scored. Subclass it, and register it with `of_targets`.

    Args:
        target: what the task predicts.
    """

    per_token: ClassVar[bool] = False
    """Whether every token has outputs; batches then have `valid` [B, L], true where they count."""
    predicts: ClassVar[str]
    """What it predicts, as a noun: classes."""
    metrics: ClassVar[tuple[str, ...]]
    """The scores that there are of it; all are better when they are larger."""
    answered: ClassVar[str] = "rows"
    """What there is an answer for, each by itself."""
    pipeline: ClassVar[str]
    """What transformers calls its pipeline, and the hub its task."""
    output_names: ClassVar[tuple[str, ...]] = ("logits",)
    """What an exported model calls its outputs; several are the columns of the logits."""

    def __init__(self, target: Target):
        self.target = target

    @property
    @abstractmethod
    def head(self) -> Head:
        """What is put on an encoder."""

    def logits(self, output: Any) -> Tensor:
        """The logits [B, C] or [B, L, C] of what a model returned."""
        logits: Tensor = output.logits
        return logits

    @abstractmethod
    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """The loss against a batch's labels."""

    @abstractmethod
    def soft_loss(self, logits: Tensor, batch: Batch, *, temperature: float = 1.0, scale: float = 1.0) -> Tensor:
        """The loss against a batch's `teacher_logits`, `scale` times as large where it has a temperature."""

    def fitted_to(self, split: Split, logits: Logits, rows: EncodedRows | None) -> Self:
        """The kind as one model answers: with what must be chosen for it on labeled rows that are kept aside.

        `logits` are the model's on these rows. Itself where there is nothing to choose.
        """
        return self

    def read_from(self, config: PretrainedConfig) -> Self | None:
        """The kind with what a model's configuration says was chosen for it; None where it should, and doesn't."""
        return self

    @property
    def configuration(self) -> dict[str, Any]:
        """What was chosen, as attributes of a model's configuration."""
        return {}

    @abstractmethod
    def answers(self, split: Split, logits: Logits, rows: EncodedRows | None) -> Any:
        """What a model with these logits answers to every row of a split, in their order.

        `rows` are the split's tokens, which a kind with outputs for every token needs.
        """

    @abstractmethod
    def scores(self, names: Sequence[str], answers: Any, split: Split) -> dict[str, float]:
        """The scores of answers to a labeled split; nan for one that isn't defined."""

    @abstractmethod
    def commonest(self, split: Split) -> Any:
        """The answers of one who can't read: always the commonest. None where nothing is that."""

    @abstractmethod
    def shown(self, labels: Any, split: Split) -> Sequence[Any]:
        """Labels or answers of a split's rows as a file of predictions has them: names, or numbers."""

    def columns(self, split: Split, answers: Any, logits: Logits) -> dict[str, Any]:
        """What a file of predictions has of every row beside label and prediction, by column.

        Columns called n(NAME) are counts, which `counted.SCORES` makes scores from.
        """
        return {}

    def agreement(self, ours: Any, theirs: Any) -> tuple[str, float]:
        """How far two models' answers to the same rows agree: `equal`, the share of equal ones, or `correlation`."""
        return "equal", float(np.mean([np.array_equal(one, other) for one, other in zip(ours, theirs, strict=True)]))

    def no_better(self, split: Split, answers: Any) -> str | None:
        """What is wrong with a model whose answers to a labeled split show no knowledge; None if they do."""
        name = self.metrics[0]
        found, without = (self.scores([name], said, split)[name] for said in (answers, self.commonest(split)))
        if found > without:
            return None
        return f"has {name} {found:.3f} on {split.name}, no better than without looking at the text ({without:.3f})"

    @property
    @abstractmethod
    def described(self) -> str:
        """What is predicted of a text, in Markdown: one of a, b."""

    def pipeline_options(self, max_length: int) -> str:
        """What transformers' pipeline is to be told, as further arguments, so that it cuts as in training."""
        return f", truncation=True, max_length={max_length}"

    print_answer: ClassVar[str] = "print(answer({row}))"
    """The end of a program in transformers: from `answer`, its pipeline, to what is printed of the row {row}."""
    read_out: ClassVar[str]
    """The end of a program in onnxruntime: from `session`, `inputs` and the tokenizer's `rows` to what is printed."""

    def check_metrics(self, names: Sequence[str]) -> None:
        """Raise InputError for a name that is no metric of this kind."""
        for name in names:
            if name not in self.metrics:
                raise InputError(
                    f"{name} is no metric of this task: this task predicts {self.predicts}, which are scored by "
                    f"{', '.join(self.metrics)}",
                    f"set {{make_scoring.monitor}}={self.metrics[0]} and "
                    f"'{{make_scoring.metrics}}=[{self.metrics[0]}]'",
                )


_KINDS: dict[type[Target], Callable[[Any], TaskKind]] = {}


def of_targets(target: type[Target]) -> Callable[[Any], Any]:
    """A decorator of a kind: it is that of tasks which predict this."""

    def register(kind: Any) -> Any:
        _KINDS[target] = kind
        return kind

    return register


def kind_of(target: Target) -> TaskKind:
    """The kind of a task, by what it predicts."""
    kind = next(_KINDS[one] for one in type(target).__mro__ if one in _KINDS)  # of a Target at last
    return kind(target)
