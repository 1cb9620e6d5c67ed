"""Peak memory of the attention loss, forward and backward, at a length that score maps don't like.

python benchmarks/attention_loss_memory.py [--length 4096] [--batch 1] [--heads 12] [--widths 26 64]

Three ways, each in a process of its own: whole score maps of student and teacher, as the formula is written; the score
maps a part at a time; Gram matrices. Printed are megabytes beyond what the inputs and the libraries take, and how that
compares with whole score maps.
"""

import argparse
import json
import subprocess
import sys

import torch
from torch import Tensor

from common import parser

WAYS = ("whole maps", "maps in parts", "gram matrices")


def whole_maps(student: tuple[Tensor, ...], teacher: tuple[Tensor, ...]) -> Tensor:
    maps = [q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5 for q, k, *_ in (student, teacher)]
    return torch.nn.functional.mse_loss(*maps)


def measure(options: argparse.Namespace) -> dict[str, float]:
    from tinydistill.benchmarking import memory
    from tinydistill.distillation import functional
    from tinydistill.models.observation import QKV

    torch.manual_seed(0)
    cpu = torch.device("cpu")
    student, teacher = (
        QKV(*(torch.randn(options.batch, options.heads, options.length, width, requires_grad=first) for _ in range(3)))
        for width, first in zip(options.widths, (True, False), strict=True)
    )
    loss = {WAYS[0]: whole_maps, WAYS[1]: functional.attention_mse_scores, WAYS[2]: functional.attention_mse_gram}[
        options.way
    ]
    short = [
        QKV(*(x[:, :, :64].detach().requires_grad_(x.requires_grad) for x in qkv[:3])) for qkv in (student, teacher)
    ]
    loss(*short).backward()  # what the libraries take for themselves
    memory.restart(cpu)
    before = memory.peak(cpu)
    value = loss(student, teacher)
    value.backward()
    return {"megabytes": (memory.peak(cpu) - before) / 1e6, "loss": float(value)}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--length", type=int, default=4096)
    arguments.add_argument("--batch", type=int, default=1)
    arguments.add_argument("--heads", type=int, default=12)
    arguments.add_argument("--widths", type=int, nargs=2, default=[26, 64], help="of a head: student's, teacher's")
    arguments.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.way:
        print(json.dumps(measure(options)))
        return
    found = {}
    for way in WAYS:
        done = subprocess.run([sys.executable, *sys.argv, "--way", way], capture_output=True, text=True, check=True)
        found[way] = json.loads(done.stdout.splitlines()[-1])
    for way, row in found.items():
        share = row["megabytes"] / found[WAYS[0]]["megabytes"]
        print(f"{way:>14} {row['megabytes']:8.0f} MB  {share:6.3f} of whole maps  loss {row['loss']:.6f}")


if __name__ == "__main__":
    main()
