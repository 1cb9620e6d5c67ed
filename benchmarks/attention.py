"""Attention in bf16 on a processor: a few matrix products, rows of the batch at a time, against torch's fused kernel.

python benchmarks/attention.py [--lengths 8 32 128 512 1024] [--heads 12] [--widths 16 64] [--pieces 4096]

Milliseconds for forward, and forward with backward, with and without padding: the fastest of several turns, kernel
and products by turns. The batch holds about so many word pieces.
"""

import argparse
import itertools
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from tinydistill.models.fast_paths import attention
from tinydistill.models.fast_paths import cpu_kernels as kernels
from tinydistill.training.runtime import keep_memory


def fastest(calls: dict[str, Callable[[], object]], turns: int) -> dict[str, float]:
    """Milliseconds of each call, its best turn."""
    best = dict.fromkeys(calls, float("inf"))
    for turn in range(turns + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if turn:  # the first is for warming up
                best[name] = min(best[name], 1e3 * (time.perf_counter() - start))
    return best


def attend(products: bool, qkv: list[Tensor], mask: Tensor | None) -> Tensor:
    kernels.choose(fast=products)
    module = nn.Module()
    module.is_causal = False
    output, _ = attention.attend(module, *qkv, mask, dropout=0.0, is_causal=False)
    return output


def compare(heads: int, width: int, length: int, pieces: int, padded: bool, turns: int) -> dict[str, float]:
    batch = max(1, pieces // length)
    shape = (batch, length, heads, width)
    generator = torch.Generator().manual_seed(0)
    qkv = [torch.randn(shape, generator=generator).bfloat16().transpose(1, 2).requires_grad_() for _ in range(3)]
    gradient, mask = torch.randn(shape, generator=generator).bfloat16(), None
    if padded:
        lengths = torch.randint(length // 2, length + 1, (batch, 1, 1, 1), generator=generator)
        mask = (torch.arange(length) < lengths).expand(batch, 1, length, length)

    def forward(products: bool) -> Callable[[], object]:
        def call() -> object:
            with torch.no_grad():
                return attend(products, qkv, mask)

        return call

    def both(products: bool) -> Callable[[], object]:
        return lambda: torch.autograd.grad(attend(products, qkv, mask), qkv, gradient)

    ways = {"fused": False, "products": True}
    calls = {f"{way}, forward": forward(products) for way, products in ways.items()}
    calls |= {f"{way}, both": both(products) for way, products in ways.items()}
    return fastest(calls, turns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", type=int, nargs="+", default=[8, 32, 64, 128, 256, 512, 1024])
    parser.add_argument("--heads", type=int, default=12)
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 26, 64], help="of a head")
    parser.add_argument("--pieces", type=int, default=4096)
    parser.add_argument("--turns", type=int, default=8)
    options = parser.parse_args()
    keep_memory()
    attention._LONGEST = max(options.lengths)  # products at every length, to see where they stop to pay
    columns = ("head size", "length", "padded", "fused f", "products f", "fused f+b", "products f+b", "faster f", "f+b")
    print(" ".join(f"{column:>12}" for column in columns), flush=True)
    for width, length, padded in itertools.product(options.widths, options.lengths, (False, True)):
        ms = compare(options.heads, width, length, options.pieces, padded, options.turns)
        times = [ms[f"{way}, {part}"] for part in ("forward", "both") for way in ("fused", "products")]
        row = [width, length, "yes" if padded else "no", *(f"{value:.2f}" for value in times)]
        row += [f"{times[0] / times[1]:.1f}x", f"{times[2] / times[3]:.1f}x"]
        print(" ".join(f"{cell!s:>12}" for cell in row), flush=True)


if __name__ == "__main__":
    main()
