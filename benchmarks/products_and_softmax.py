"""What `models.fast_paths` takes in place of torch's own ways on a processor.

python benchmarks/products_and_softmax.py [--turns 50]

On one thread: fp32 and bf16 products by torch.mm and by oneDNN with packed weights, in GFLOP/s; and the softmax of bf16
scores as it is and by way of fp32, in milliseconds, of 1,024 tokens and 12 heads. The fastest of several turns.
(A file called kernels.py here would be taken for a package by transformers.)
"""

import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn

from common import fastest, parser
from tinydistill.models.fast_paths.cpu_kernels import PackedLinear


def products(turns: int) -> None:
    print(f"{'precision':10}{'rows, in, out':>18}{'torch':>8}{'packed':>8}  GFLOP/s")
    for dtype in (torch.float32, torch.bfloat16):
        for rows, inner, out in ((1024, 768, 3072), (100, 768, 30522), (32, 768, 30522)):
            linear = nn.Linear(inner, out).to(dtype).requires_grad_(False)
            packed, x = PackedLinear(linear), torch.randn(rows, inner).to(dtype)
            gflop = 2e-9 * rows * inner * out
            ways = {"torch": functools.partial(linear, x), "packed": functools.partial(packed, x)}
            rates = "".join(f"{1e3 * gflop / ms:8.0f}" for ms in fastest(ways, turns).values())
            size = f"{rows}, {inner}, {out}"
            print(f"{str(dtype).removeprefix('torch.'):10}{size:>18}{rates}")


def softmax(turns: int) -> None:
    print(f"\n{'length':10}{'bf16':>8}{'fp32':>8}{'bf16':>8}{'fp32':>8}  ms: forward; with backward")
    for length in (8, 11, 16, 23, 31, 32, 47, 56, 64, 72, 100, 128):
        scores = torch.randn(1024 // length, 12, length, length).bfloat16().requires_grad_()
        gradient = torch.randn_like(scores)

        def wide(x: Tensor = scores) -> Tensor:
            return x.softmax(-1, dtype=torch.float32).to(x.dtype)

        def own(x: Tensor = scores) -> Tensor:
            return x.softmax(-1)

        with torch.no_grad():
            once = fastest({"bf16": own, "fp32": wide}, turns)

        def back(way: Callable[[], Tensor], x: Tensor = scores, gradient: Tensor = gradient) -> object:
            return torch.autograd.grad(way(), x, gradient)

        both = fastest({"bf16": functools.partial(back, own), "fp32": functools.partial(back, wide)}, turns)
        print(f"{length:<10}" + "".join(f"{ms:8.2f}" for ms in (*once.values(), *both.values())))


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--turns", type=int, default=50)
    turns = arguments.parse_args().turns
    torch.set_num_threads(1)
    with torch.inference_mode():
        products(turns)
    softmax(turns)


if __name__ == "__main__":
    main()
