"""Attention in bf16 on a processor: a few matrix products, rows of the batch at a time, against torch's fused kernel.

python benchmarks/attention.py [--lengths 8 32 128 512 1024] [--heads 12] [--widths 16 64] [--tokens 4096]

Milliseconds for forward, and forward with backward, with and without padding: the fastest of several turns, kernel
and products alternating. The batch holds about so many tokens.
"""

import functools
import itertools

import torch
from torch import Tensor, nn

from common import fastest, parser
from tinydistill.models import attention
from tinydistill.models import attention as products
from tinydistill.models.fast_paths import cpu_kernels
from tinydistill.models.fast_paths.cpu_kernels import keep_memory


def attend(fast: bool, qkv: list[Tensor], mask: Tensor | None) -> Tensor:
    cpu_kernels.choose(fast=fast)
    module = nn.Module()
    module.is_causal = False
    return attention.attend(module, *qkv, mask, dropout=0.0, is_causal=False)[0]


def compare(heads: int, width: int, length: int, tokens: int, padded: bool, turns: int) -> list[float]:
    """Milliseconds: fused and products forward, fused and products with backward."""
    shape = (max(1, tokens // length), length, heads, width)
    generator = torch.Generator().manual_seed(0)
    qkv = [torch.randn(shape, generator=generator).bfloat16().transpose(1, 2).requires_grad_() for _ in range(3)]
    gradient, mask = torch.randn(shape, generator=generator).bfloat16(), None
    if padded:
        lengths = torch.randint(length // 2, length + 1, (shape[0], 1, 1, 1), generator=generator)
        mask = (torch.arange(length) < lengths).expand(shape[0], 1, length, length)

    def forward(fast: bool) -> Tensor:
        with torch.no_grad():
            return attend(fast, qkv, mask)

    def both(fast: bool) -> object:
        return torch.autograd.grad(attend(fast, qkv, mask), qkv, gradient)

    ways = itertools.product((forward, both), (False, True))
    return list(fastest({str(i): functools.partial(*way) for i, way in enumerate(ways)}, turns).values())


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--lengths", type=int, nargs="+", default=[8, 32, 64, 128, 256, 512, 1024])
    options.add_argument("--heads", type=int, default=12)
    options.add_argument("--widths", type=int, nargs="+", default=[16, 26, 64], help="of a head")
    options.add_argument("--tokens", type=int, default=4096)
    options.add_argument("--turns", type=int, default=8)
    given = options.parse_args()
    keep_memory()
    products._LONGEST = max(given.lengths)  # products at every length, to see where they stop to pay
    columns = ("head size", "length", "padded", "fused f", "products f", "fused f+b", "products f+b", "faster f", "f+b")
    print(" ".join(f"{column:>12}" for column in columns), flush=True)
    for width, length, padded in itertools.product(given.widths, given.lengths, (False, True)):
        times = compare(given.heads, width, length, given.tokens, padded, given.turns)
        row = [width, length, "yes" if padded else "no", *(f"{value:.2f}" for value in times)]
        row += [f"{times[0] / times[1]:.1f}x", f"{times[2] / times[3]:.1f}x"]
        print(" ".join(f"{cell!s:>12}" for cell in row), flush=True)


if __name__ == "__main__":
    main()
