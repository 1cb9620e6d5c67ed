"""What torch.compile of the student gives to the general step on a processor.

python benchmarks/compiled.py [--embedded] [--turns 20]

BERT-base to TinyBERT4 with random weights, or MiniLM to tiny3. A step as it is, one with each of the student's layers
compiled whole, and one with the layers' linear parts alone, between attentions: word pieces a second by turns, the best
turn of each, and the seconds that compiling takes. The teacher's packed products can't be compiled.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from attention import fastest
from augmentation import random_model
from general_step import prepared


def whole(layer: nn.Module) -> list[nn.Module]:
    return [layer]


def parts(layer: nn.Module) -> list[nn.Module]:
    return [layer.attention.output, layer.intermediate, layer.output]


def compiled(directory: Path | None, chosen: Callable[[nn.Module], list[nn.Module]]) -> Callable[[], None]:
    module, step, _ = prepared(directory)
    for layer in module.student.encoder.layer:
        for part in chosen(layer):
            part.compile()
    return step


def main() -> None:
    from tinydistill.training.runtime import keep_memory

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embedded", action="store_true", help="MiniLM to tiny3, batch 64")
    parser.add_argument("--turns", type=int, default=20)
    options = parser.parse_args()
    keep_memory()
    with tempfile.TemporaryDirectory() as temporary:
        directory = None if options.embedded else random_model(Path(temporary, "bert-base"))
        _, plain, pieces = prepared(directory)
        steps = {"as it is": plain, "layers": compiled(directory, whole), "parts": compiled(directory, parts)}
    for name, step in steps.items():
        start = time.perf_counter()
        step()
        step()
        print(f"{name}: the first two steps take {time.perf_counter() - start:.1f} s")
    best = fastest(steps, options.turns)
    for name, ms in best.items():
        speed = f"{best['as it is'] / ms:.2f} of the step as it is"
        print(f"{name}: {1e3 * pieces / ms:,.0f} word pieces a second, {speed}")


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    torch.manual_seed(0)
    main()
