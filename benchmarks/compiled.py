"""What torch.compile of the student gives to the general step on a processor.

python benchmarks/compiled.py [--embedded] [--turns 20]

BERT-base to TinyBERT4 with random weights, or MiniLM to tiny3. A step as it is, one with each of the student's layers
compiled whole, and one with the layers' linear parts alone, between attentions: tokens a second, alternating, the best
turn of each, and the seconds that compiling takes. The teacher's packed products can't be compiled.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from common import fastest, parser, random_model
from general_step import prepared
from tinydistill.models.fast_paths.cpu_kernels import keep_memory


def whole(layer: nn.Module) -> list[nn.Module]:
    return [layer]


def parts(layer: nn.Module) -> list[nn.Module]:
    return [layer.attention.output, layer.intermediate, layer.output]


def compiled(directory: Path | None, chosen: Callable[[nn.Module], list[nn.Module]]) -> Callable[[], None]:
    student, step, _ = prepared(directory)
    for layer in student.encoder.layer:
        for part in chosen(layer):
            part.compile()
    return step


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--embedded", action="store_true", help="MiniLM to tiny3, batch 64")
    arguments.add_argument("--turns", type=int, default=20)
    options = arguments.parse_args()
    torch.manual_seed(0)
    keep_memory()
    with tempfile.TemporaryDirectory() as temporary:
        directory = None if options.embedded else random_model(Path(temporary, "bert-base"))
        _, plain, tokens = prepared(directory)
        steps = {"as it is": plain, "layers": compiled(directory, whole), "parts": compiled(directory, parts)}
    for name, step in steps.items():
        start = time.perf_counter()
        step()
        step()
        print(f"{name}: the first two steps take {time.perf_counter() - start:.1f} s")
    best = fastest(steps, options.turns)
    for name, ms in best.items():
        speed = f"{best['as it is'] / ms:.2f} of the step as it is"
        print(f"{name}: {1e3 * tokens / ms:,.0f} tokens a second, {speed}")


if __name__ == "__main__":
    main()
