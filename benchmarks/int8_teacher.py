"""Would a teacher in int8 be worth it? Its forward pass and its states, against bf16 as it is used and fp32.

python benchmarks/int8_teacher.py [--teacher NAME_OR_DIRECTORY] [--rows 64] [--turns 6]

Printed are seconds for rows of 128 tokens, the best of some turns taken alternately, and the share of the last layer's
variance in fp32 that each leaves unexplained.
"""

import functools
import warnings

import torch

from common import MINILM, fastest, parser
from tinydistill.models import loading as models
from tinydistill.models.fast_paths import cpu_kernels
from tinydistill.models.fast_paths.cpu_kernels import keep_memory


@torch.no_grad()
def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--teacher", default=MINILM)
    arguments.add_argument("--rows", type=int, default=64)
    arguments.add_argument("--turns", type=int, default=6)
    options = arguments.parse_args()
    warnings.filterwarnings("ignore", message=".*quantiz.*|.*deprecated.*")
    keep_memory()
    path = models.locate(options.teacher)
    exact = models.load_encoder(path)
    bf16 = models.load_encoder(path, dtype=torch.bfloat16).requires_grad_(False)
    cpu_kernels.pack(bf16)
    int8 = torch.ao.quantization.quantize_dynamic(exact, {torch.nn.Linear}, dtype=torch.qint8)
    teachers = {"fp32": exact, "bf16": bf16, "int8": int8}
    ids = torch.randint(1000, exact.config.vocab_size, (options.rows, 128), generator=torch.Generator().manual_seed(0))
    best = fastest({name: functools.partial(teacher, ids) for name, teacher in teachers.items()}, options.turns)
    states = {name: teacher(ids).last_hidden_state.float() for name, teacher in teachers.items()}
    variance = states["fp32"].flatten(0, 1).var(0).sum()
    for name, ms in best.items():
        unexplained = (states[name] - states["fp32"]).square().sum(-1).mean() / variance
        print(f"{name}  {ms / 1e3:.3f} s  {best['bf16'] / ms:.2f} of bf16's speed  unexplained {unexplained:.4f}")


if __name__ == "__main__":
    main()
