"""Forward passes timed as they happen, without a trainer.

B: rows in a batch, L: tokens in the longest of them.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, repeat
from statistics import median

from torch import Tensor

from tinydistill.benchmarking.piece import MEDIAN, Piece

Batch = dict[str, Tensor]


def measure_forward(
    name: str,
    answer: Callable[[Iterator[Batch]], object],
    loader: Iterable[Batch],
    *,
    seconds: float,
    warmup: int = 1,
    least: int = 3,
) -> Piece:
    """Time a function that takes batches one by one, the reading of them included; speed in tokens without padding.

    Args:
        name: what is done.
        answer: is through with a batch when it asks for the next.
        loader: the batches, each with attention_mask [B, L]; read over and over.
        seconds: how long batches are timed.
        warmup: batches before the first that counts.
        least: batches that are timed at least.
    """
    tokens: list[int] = []
    laps: list[float] = []

    def timed() -> Iterator[Batch]:
        start = time.perf_counter()
        for number, batch in enumerate(chain.from_iterable(repeat(loader))):
            yield batch
            now = time.perf_counter()
            if number >= warmup:
                tokens.append(int(batch["attention_mask"].sum()))
                laps.append(now - start)
            start = now
            if len(laps) >= least and sum(laps) >= seconds:
                return

    answer(timed())
    speeds = [count / lap for count, lap in zip(tokens, laps, strict=True)]
    return Piece(name, "token", sum(tokens), sum(laps), more={"batches": len(laps), MEDIAN: median(speeds)})
