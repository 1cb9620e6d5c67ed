"""The rate of matrix products on a machine, with which other speeds are compared, and the FLOPs of some work."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from tinydistill.models.fast_paths import cpu_kernels

Done = TypeVar("Done")

SIDES = {"cpu": 2048}  # of square matrices large enough for the best rate there is
_LARGE = 8192  # on other devices


class Rates(NamedTuple):
    """FLOP a second by the clock, in the precisions that count."""

    fp32: float
    bf16: float


def gemm_rate(dtype: torch.dtype, device: torch.device | str = "cpu", *, seconds: float = 0.5) -> float:
    """FLOP a second of products of two square matrices, in all of torch's threads."""
    device = torch.device(device)
    side = SIDES.get(device.type, _LARGE)
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(a)
    torch.mm(a, b, out=out)
    wait(device)
    count, start = 0, time.perf_counter()
    while not count or time.perf_counter() - start < seconds:
        torch.mm(a, b, out=out)
        wait(device)
        count += 1
    return 2.0 * count * side**3 / (time.perf_counter() - start)


def gemm_rates(device: torch.device | str = "cpu", *, seconds: float = 0.5) -> Rates:
    """Both rates, one after the other."""
    return Rates(*(gemm_rate(dtype, device, seconds=seconds) for dtype in (torch.float32, torch.bfloat16)))


def wait(device: torch.device) -> None:
    """Wait until a GPU is through with what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class Beside(NamedTuple):
    """What was measured just before and just after some work: machines change their pace with what else they do."""

    before: Rates
    after: Rates

    @property
    def mean(self) -> Rates:
        """The pace of the work in between, as well as it can be known."""
        return Rates(*((a + b) / 2 for a, b in zip(self.before, self.after, strict=True)))


def beside(
    work: Callable[[], Done], device: torch.device | str = "cpu", *, seconds: float = 0.5
) -> tuple[Done, Beside]:
    """What some work gives, and the rates before and after it."""
    before = gemm_rates(device, seconds=seconds)
    done = work()
    return done, Beside(before, gemm_rates(device, seconds=seconds))


@contextmanager
def counted() -> Iterator[FlopCounterMode]:
    """Count the matrix products within, forward and backward: two FLOPs for each multiplication and addition.

    Attention is computed by its definition meanwhile, whatever the model was told: kernels that do it at one stroke
    hide what they do, and those that save memory do some of it twice.
    """
    with cpu_kernels.plain(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        yield counter
