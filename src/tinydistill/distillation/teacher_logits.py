"""A fine-tuned teacher's logits for every row of a split: computed once, kept beside the encoded rows.

N: rows of the split, B: rows in a batch, C: outputs of the prediction layer.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from tinydistill.artifacts.files import built_once, digest
from tinydistill.console import Meter
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.tasks.examples import Split
from tinydistill.models.observation import encoder_inputs
from tinydistill.training.scoring import check_answers

FORMAT = 1  # part of every cache key: raise it when the same teacher and rows give other logits


def stored_logits(
    data: TaskDataModule, split: Split, identity: str, load: Callable[[], PreTrainedModel]
) -> NDArray[np.float32]:
    """Logits [N, C] of a split by row number, mapped into memory; computed, and stored, where they aren't there yet.

    The key is `identity`, which stands for the teacher and its precision, with texts, tokenizer and length, which the
    encoded rows are kept by. `load` is called only where logits must be computed.
    """
    key = digest([FORMAT, identity, data.encoded(split).directory.name])

    def build(directory: Path) -> None:
        logits = compute_logits(load(), data.loader(split), len(split))
        check_answers("the teacher", split.name, torch.from_numpy(logits))
        np.save(directory / "logits.npy", logits)

    entry = built_once(Path(data.cache_dir) / f"logits-{key}", build)
    logits: NDArray[np.float32] = np.load(entry / "logits.npy", mmap_mode="r")
    return logits


@torch.no_grad()
def compute_logits(
    teacher: PreTrainedModel, batches: Iterable[Mapping[str, Tensor]], rows: int, *, shown: bool = True
) -> NDArray[np.float32]:
    """The teacher's logits [N, C] in eval mode, on the device where it is; a batch's `row` [B] says which they are.

    Progress is `shown`, or not.
    """
    teacher.eval()
    logits_NC = np.empty((rows, teacher.config.num_labels), np.float32)
    with Meter("teacher's logits", "row", rows, shown=shown) as meter:
        for batch in batches:
            inputs = {name: tensor.to(teacher.device) for name, tensor in encoder_inputs(batch).items()}
            logits_NC[batch["row"].numpy()] = teacher(**inputs).logits.float().cpu().numpy()
            meter.update(len(batch["row"]))
    return logits_NC
