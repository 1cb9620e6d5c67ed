"""How long a model takes for an answer, measured beside others in the same minutes on the same machine.

B: rows in a batch, L: tokens in a row.
"""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel

from tinydistill.export.sessions import session

ROUNDS, SETTLED = 5, 1.1
_LEAST = 5  # times of a call
Call = Callable[[], object]
Clock = Callable[[], float]
System = Callable[[int, int, int], Call]
"""Makes, for a number of threads, B and L, a call that answers."""


def latencies(
    calls: Mapping[str, Call], *, seconds: float = 2.0, warmup: int = 3, clock: Clock = time.perf_counter
) -> dict[str, dict[str, float]]:
    """The `median` and `p95` of each call in milliseconds; they alternate, so that what else runs meets all alike.

    The times of a call are cut into up to ROUNDS parts, one after the other, and the median is that of the fastest
    part: what else the machine does makes an answer slower, never faster. Where a second part isn't as fast, all are
    timed once more. The p95 is of all times.

    Args:
        calls: what is timed, by name.
        seconds: how long each of them is timed, at least five times.
        warmup: calls of each before the first that counts.
        clock: what counts seconds.
    """
    for call in calls.values():
        for _ in range(warmup):
            call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    _time(calls, times, seconds, clock)
    if any(_unsettled(taken) for taken in times.values()):
        _time(calls, times, 2 * seconds, clock)
    return {
        name: {"median": 1000 * _medians(taken)[0], "p95": 1000 * float(np.quantile(taken, 0.95))}
        for name, taken in times.items()
    }


def longest_timing(call: float, *, seconds: float = 2.0, warmup: int = 3) -> float:
    """The seconds that `latencies` takes at most for a call of so many seconds, among others."""
    return warmup * call + max(_LEAST * call, 2 * seconds + call)


def _time(calls: Mapping[str, Call], times: Mapping[str, list[float]], seconds: float, clock: Clock) -> None:
    """Add to the times of each call until they come to so many seconds."""
    while left := [name for name, taken in times.items() if sum(taken) < seconds or len(taken) < _LEAST]:
        for name in left:
            start = clock()
            calls[name]()
            times[name].append(clock() - start)


def _medians(times: Sequence[float]) -> list[float]:
    """The medians of parts of at least five times, the smallest first."""
    parts = np.array_split(np.array(times), min(ROUNDS, len(times) // _LEAST))
    return sorted(float(np.median(part)) for part in parts)


def _unsettled(times: Sequence[float]) -> bool:
    """Whether the fastest part stands alone."""
    fastest, *others = _medians(times)
    return bool(others) and others[0] > SETTLED * fastest


def random_inputs(config: PretrainedConfig, batch_size: int, length: int) -> dict[str, Tensor]:
    """Full rows: random input_ids [B, L] and a mask [B, L] of ones."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(config.vocab_size, (batch_size, length), generator=generator)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def torch_call(model: PreTrainedModel, batch_size: int, length: int) -> Call:
    """One forward pass of the model in eval mode, where it is, on full rows."""
    model.eval()
    inputs = {name: rows.to(model.device) for name, rows in random_inputs(model.config, batch_size, length).items()}

    def call() -> object:
        with torch.inference_mode():
            return next(iter(model(**inputs).values())).cpu()  # waits for the device

    return call


def file_system(file: Path, config: PretrainedConfig) -> System:
    """The same of an exported file, in its runtime."""
    opened = functools.cache(lambda count: session(file, count))

    def system(count: int, batch_size: int, length: int) -> Call:
        inputs = {name: rows.numpy() for name, rows in random_inputs(config, batch_size, length).items()}
        return functools.partial(opened(count), inputs)

    return system
