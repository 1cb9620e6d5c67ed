"""The general step at the size that the original was measured at: BERT-base to TinyBERT4, length 128, batch 32.

python benchmarks/general_step.py [--seconds 30] [--profile] [stage=benchmark's options: general.batch_size=16 ...]

Makes a BERT-base with random weights and runs `tinydistill stage=benchmark` on it, in a process of its own. Printed is
what that prints, and the real tokens a second at 204 MFLOP each, whatever is counted, as a multiple of fp32 matrix
products: the original does 0.63. With --profile, where the time of some steps of the embedded default or of BERT-base
goes.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile
from transformers import AutoConfig

from common import MINILM, parser, random_model
from tinydistill.distillation import mapping
from tinydistill.distillation.imitation import Imitation
from tinydistill.distillation.objective import Objective
from tinydistill.models import loading as models
from tinydistill.models import students
from tinydistill.models.fast_paths import cpu_kernels
from tinydistill.models.fast_paths.cpu_kernels import keep_memory
from tinydistill.models.students import freeze_unreached

FLOPS, ORIGINAL = 204e6, 0.63  # of a token; multiple of fp32 matrix products
EMBEDDED = ("teacher=minilm", "student=tiny3")


def prepared(directory: Path | None) -> tuple[torch.nn.Module, Callable[[], None], int]:
    """The student of BERT-base to TinyBERT4, or of the embedded default; a step of it; the step's tokens."""
    path = str(directory) if directory else models.locate(MINILM)
    layers, width, inner, batch = (4, 312, 1200, 32) if directory else (3, 192, 768, 64)
    size = {"num_layers": layers, "hidden_size": width, "intermediate_size": inner, "num_heads": 12, "dropout": 0.0}
    teacher = models.load_encoder(path, dtype=torch.bfloat16)
    student = students.new_student(students.student_config(AutoConfig.from_pretrained(path), **size), 0).train()
    objective = Objective(mapping.uniform(layers, teacher.config.num_hidden_layers), scale="raw")
    imitation = Imitation(teacher, student, objective)
    ids = torch.randint(1000, 20000, (batch, 128))

    def loss(rows: torch.Tensor) -> torch.Tensor:
        return objective.total(imitation({"input_ids": rows})[1])

    trained = torch.nn.ModuleList([student, objective])
    freeze_unreached(trained, loss(ids[:1]))
    parameters = [parameter for parameter in trained.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, 1e-4, fused=True)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            value = loss(ids)
        value.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return student, step, ids.numel()


def show_profile(directory: Path | None, *, plain: bool) -> None:
    """Where the time goes, by operation."""
    cpu_kernels.choose(fast=not plain)
    if not plain:
        keep_memory()
    _, step, _ = prepared(directory)
    for _ in range(3):
        step()
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        for _ in range(4):
            step()
    print(seen.key_averages().table(sort_by="self_cpu_time_total", row_limit=24, max_name_column_width=55))


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--seconds", type=float, default=30)
    arguments.add_argument("--profile", action="store_true")
    arguments.add_argument("--embedded", action="store_true", help="MiniLM to tiny3 instead, batch 64")
    arguments.add_argument("--plain", action="store_true", help="profile the fused kernel, with memory given back")
    options, overrides = arguments.parse_known_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory = None if options.embedded else random_model(Path(temporary, "bert-base"))
        if options.profile:
            show_profile(directory, plain=options.plain)
            return
        models = EMBEDDED if directory is None else (f"teacher.path={directory}", "student=tinybert4")
        words = ["stage=benchmark", "benchmark.pieces=[general]", f"benchmark.seconds={options.seconds}", *models]
        words += [] if directory is None else ["general.batch_size=32"]
        made = Path(temporary, "made")
        command = [sys.executable, "-m", "tinydistill", *words, *overrides, f"output_dir={made}"]
        subprocess.run(command, check=True)
        row = json.loads((made / "result.json").read_text())["pieces"][0]
    print(f"{row['units_per_second']:,.0f} tokens a second, peak memory {row['peak_memory'] / 1e9:.2f} GB")
    if directory is not None:
        multiple = row["units_per_second"] * FLOPS / (row["gemm"]["before"]["fp32"] + row["gemm"]["after"]["fp32"]) * 2
        ratio = f"{multiple / ORIGINAL:.1f} times the original's {ORIGINAL}"
        print(f"at {FLOPS / 1e6:.0f} MFLOP each {multiple:.2f} times fp32 matrix products, {ratio}")


if __name__ == "__main__":
    main()
