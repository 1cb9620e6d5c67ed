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
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.targets import Target
from tinydistill.errors import InputError
from tinydistill.kinds.confusion import Confusion
from tinydistill.kinds.decisions import Decisions
from tinydistill.models.heads import Head
from tinydistill.models.observation import output_logits

Batch = Mapping[str, Tensor]
Logits = NDArray[np.float32]
"""Of all windows of a split in their order: [N, C], or [P, C] where every token has outputs."""
LEAST_SHARE = 1e-6


class TaskKind(ABC):
    """How models of one kind of task learn, answer, and are scored. Subclass it, and register it with `of_targets`.

    Args:
        target: what the task predicts.
    """

    per_token: ClassVar[bool] = False
    """Whether every token has outputs; batches then have `valid` [B, L], true where they count."""
    compared_within_window: ClassVar[bool] = False
    """Whether a number added to an output of all tokens of a window changes no loss."""
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
    outputs_called: ClassVar[str] = "logits"
    """What they are, in the plural."""
    library: ClassVar[str] = "transformers"
    """What loads a model, as the hub calls it."""
    taught: ClassVar[str] = "fine-tuned on the task"
    """How the teacher came to know the task."""
    scored_by_teacher: ClassVar[bool] = False
    """Whether rows without labels are scored against the teacher's answers, which are their labels then."""
    comparable: ClassVar[bool] = True
    """Whether two models' answers to a row can be alike."""
    alike_with: str = "the same answer"
    """What two models give to a row that they answer alike."""

    def __init__(self, target: Target):
        self.target = target

    def with_losses(self, weights: Mapping[str, float]) -> "TaskKind":
        """The same with weights of several losses against the teacher, where it has several."""
        return self

    def measures(self, split: Split) -> tuple[str, ...]:
        """Which of the metrics there are of a split."""
        return self.metrics

    @property
    @abstractmethod
    def head(self) -> Head:
        """What is put on an encoder."""

    def logits(self, output: Any) -> Tensor:
        """The logits [B, C] or [B, L, C] of what a model returned."""
        logits = output_logits(output)
        assert logits is not None
        return logits

    @abstractmethod
    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """The loss against a batch's labels."""

    @abstractmethod
    def soft_loss(self, logits: Tensor, batch: Batch, *, temperature: float = 1.0, scale: float = 1.0) -> Tensor:
        """The loss against a batch's `teacher_logits`, `scale` times as large where it has a temperature."""

    def soft_logits(self, shares: NDArray[np.float32]) -> Logits:
        """The logits that stand for probabilities [N, C] which come with the rows; a share of 0 is a very small one."""
        return np.log(np.maximum(shares, LEAST_SHARE))

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

    def confusion(self, answers: Any, split: Split) -> Confusion | None:
        """Which classes are taken for which; None where answers to rows aren't one of several classes."""
        return None

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

    def as_rows(self, split: Split, answers: Any, logits: Logits) -> dict[str, Sequence[Any]]:
        """A split's rows with these answers as labels, by column, as they can be trained on in JSON."""
        texts = {"text": split.texts} | ({} if split.pairs is None else {"text_pair": split.pairs})
        return {**texts, "label": self.shown(answers, split)}

    def predicted(self, split: Split, answers: Any, logits: Logits) -> dict[str, Sequence[Any]]:
        """What a table of predictions has of every row, by column, as JSON knows it: texts, numbers and lists."""
        return {"prediction": self.shown(answers, split)}

    def lines(self, split: Split, answers: Any, logits: Logits) -> dict[str, Sequence[Any]]:
        """A file of predictions by column, a line a row of the split unless a kind says what else: label, prediction.

        Labels are empty where they are unknown.
        """
        known = [""] * len(split) if split.labels is None else self.shown(split.labels, split)
        return {"label": known, "prediction": self.shown(answers, split), **self.columns(split, answers, logits)}

    def equal(self, ours: Any, theirs: Any) -> NDArray[np.bool_] | None:
        """Whether two models' answers to the same rows are equal, one for each; None where they can only be near."""
        return np.array([np.array_equal(one, other) for one, other in zip(ours, theirs, strict=True)], bool)

    def within(self, tolerance: float, split: Split) -> Self:
        """The kind as answers are alike that differ by this share of the range of a split's labels, if it has numbers.

        Itself where answers can be equal.
        """
        return self

    def alike(self, ours: Any, theirs: Any, split: Split) -> NDArray[np.bool_]:
        """Whether two models answer alike [N], row by row, however many answers `equal` has for one."""
        return np.array([np.array_equal(one, other) for one, other in zip(ours, theirs, strict=True)], bool)

    def right(self, answers: Any, split: Split) -> NDArray[np.bool_]:
        """Whether the answer to each row of a labeled split is as its label [N]."""
        return self.alike(answers, split.labels, split)

    def given(self, answers: Any) -> NDArray[np.bool_] | None:
        """Which of the labels each row is given [N, C]; None where answers are none of them."""
        return None

    def decisions(self, split: Split, logits: Logits, rows: EncodedRows | None) -> Decisions | None:
        """What the answers to rows are made of; None where that isn't choices among the same classes."""
        return None

    def confidences(self, split: Split, logits: Logits, rows: EncodedRows | None) -> NDArray[np.float64] | None:
        """How sure the answer to each row is [N], from 0 to 1; None to take the least probable of its decisions."""
        return None

    def margins(self, logits: Logits) -> NDArray[np.float64] | None:
        """By how much more probable each answer of a model is than another one, from 0 to 1; None if it isn't known."""
        return None

    def nearness(self, ours: Any, theirs: Any) -> tuple[str, float]:
        """How near two models' answers are that can only be near: their `correlation`, or their mean `cosine`."""
        raise NotImplementedError

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

    def reads(self, max_length: int, *, pair: bool) -> str:
        """What an answer is given to, up to the comma behind it."""
        return f"{'two texts' if pair else 'a text'}, cut at {max_length} tokens,"

    def in_transformers(self, max_length: int, *, pair: bool) -> str:
        """A program in transformers that answers, of a model in DIRECTORY."""
        row = '{"text": "first text", "text_pair": "second text"}' if pair else '"a text"'
        return f"""from transformers import pipeline

answer = pipeline("{self.pipeline}", "DIRECTORY"{self.pipeline_options(max_length)})
print(answer({row}))"""

    def encoding(self, max_length: int, *, pair: bool) -> str:
        """The part of a program in onnxruntime from a `tokenizer` of tokenizers, which pads, to its `rows`."""
        rows = '[("first text", "second text")]' if pair else '["a text"]'
        return f"""tokenizer.enable_truncation({max_length})
rows = tokenizer.encode_batch({rows})"""

    def pipeline_options(self, max_length: int) -> str:
        """What transformers' pipeline is to be told, as further arguments, so that it cuts as in training."""
        return f", truncation=True, max_length={max_length}"

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
