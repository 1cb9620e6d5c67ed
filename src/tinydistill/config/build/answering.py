"""A model that answers the rows of a file, and these rows, part by part."""

from collections.abc import Callable, Iterator

from torch import Tensor

from tinydistill.config.build.trainer import frozen_device, frozen_dtype, tune
from tinydistill.config.schema import Config
from tinydistill.data.loading import Batch
from tinydistill.data.tasks.examples import Split, to_split
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.data.tasks.targets import Target
from tinydistill.kinds import TaskKind
from tinydistill.models.source import Source
from tinydistill.training.answering import ROWS_AT_ONCE, Answering, in_torch


def answering(
    config: Config,
    source: Source,
    kind: TaskKind,
    *,
    batch_size: int,
    max_length: int,
    answer: Callable[[Batch], Tensor] | None = None,
) -> Answering:
    """The model with its head in PyTorch, or what gives a batch's logits in its place."""
    if answer is None:
        tune(config)
        answer = in_torch(source.with_head(kind.head, frozen_dtype(config)).to(frozen_device(config)), kind)
    return Answering(source.path, kind, source.tokenizer, answer, max_length, batch_size)


def parts_of(task: TaskSource, file: str, option: str, *, empty_texts: bool = False) -> Iterator[Split]:
    """The rows of a file, which an option names, laid out as the task's."""
    empty = empty_texts or task.empty_texts
    for table in task.tables(file, ROWS_AT_ONCE, argument=option):
        yield to_split("the file", table, Target(), label=None, empty_texts=empty)
