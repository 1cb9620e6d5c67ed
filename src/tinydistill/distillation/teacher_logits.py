"""A fine-tuned teacher's logits for every row of a split: computed once, kept beside the encoded rows.

N: windows of the split, P: their tokens, C: outputs of the prediction layer.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from torch import Tensor
from transformers import PreTrainedModel

from tinydistill.artifacts.files import built_once, digest
from tinydistill.console import Meter
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.tasks.examples import Split
from tinydistill.kinds import TaskKind, kind_of
from tinydistill.kinds.base import Logits
from tinydistill.training.answering import in_torch
from tinydistill.training.classifier import Answered, answered, by_row
from tinydistill.training.scoring import check_answers

FORMAT = 1  # part of every cache key: raise it when the same teacher and rows give other logits


def stored_logits(data: TaskDataModule, split: Split, identity: str, load: Callable[[], PreTrainedModel]) -> Logits:
    """Logits [N, C] or [P, C] of a split, mapped into memory; computed, and stored, where they aren't there yet.

    The key is `identity`, which stands for the teacher and its precision, with texts, tokenizer and length, which the
    encoded rows are kept by. `load` is called only where logits must be computed.
    """
    key = digest([FORMAT, identity, data.encoded(split).directory.name])

    def build(directory: Path) -> None:
        logits = compute_logits(load(), kind_of(data.target), data.loader(split), len(data.encoded(split)))
        check_answers("the teacher", split.name, logits)
        np.save(directory / "logits.npy", logits)

    entry = built_once(Path(data.cache_dir) / f"logits-{key}", build)
    logits: Logits = np.load(entry / "logits.npy", mmap_mode="r")
    return logits


def compute_logits(
    teacher: PreTrainedModel,
    kind: TaskKind,
    batches: Iterable[Mapping[str, Tensor]],
    windows: int,
    *,
    shown: bool = True,
) -> Logits:
    """The teacher's logits [N, C] or [P, C] in eval mode, on the device where it is, in the order of the windows.

    Progress towards so many windows is `shown`, or not.
    """
    answer = in_torch(teacher, kind)

    def answers() -> Iterator[Answered]:
        with Meter("teacher's logits", "row", windows, shown=shown) as meter:
            for batch in batches:
                yield answered(batch, answer(batch))
                meter.update(len(batch["row"]))

    return by_row(answers())
