"""The general step at the size that the original was measured at: BERT-base to TinyBERT4, length 128, batch 32.

python benchmarks/general_step.py [--seconds 30] [--profile] [stage=benchmark's options: general.batch_size=16 ...]

Makes a BERT-base with random weights and runs `tinydistill stage=benchmark` on it, in a process of its own. Printed is
what that prints, and the real word pieces a second at 204 MFLOP each, whatever is counted, as a multiple of fp32 matrix
products: the original does 0.63. With --profile, where the time of some steps of the embedded default or of BERT-base
goes.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from augmentation import random_model

if TYPE_CHECKING:
    from tinydistill.distillation.layer_distiller import LayerDistiller

FLOPS, ORIGINAL = 204e6, 0.63  # of a word piece; multiple of fp32 matrix products
EMBEDDED = ("teacher=minilm", "student=tiny3")


def prepared(directory: Path | None) -> tuple["LayerDistiller", Callable[[], None], int]:
    """The module of BERT-base to TinyBERT4, or of the embedded default; a step of it; the step's word pieces."""
    import torch
    from transformers import AutoConfig

    from tinydistill.distillation import mapping
    from tinydistill.distillation.layer_distiller import LayerDistiller
    from tinydistill.distillation.objective import Objective, Weights
    from tinydistill.models import loading as models
    from tinydistill.models import students
    from tinydistill.training.optimization import Optimization

    path = str(directory) if directory else models.locate("sentence-transformers/all-MiniLM-L6-v2")
    layers, width, inner, batch = (4, 312, 1200, 32) if directory else (3, 192, 768, 64)
    size = {"num_layers": layers, "hidden_size": width, "intermediate_size": inner, "num_heads": 12, "dropout": 0.0}
    teacher = models.load_encoder(path, dtype=torch.bfloat16)
    student = students.new_student(students.student_config(AutoConfig.from_pretrained(path), **size), 0)
    rule = mapping.uniform(layers, teacher.config.num_hidden_layers)
    objective = Objective(rule, Weights(), student_width=width, teacher_width=teacher.config.hidden_size)
    optimisation = Optimization(1000, 1e-4, 0.1, 0.01)
    module = LayerDistiller(student, teacher, objective, optimisation).train()
    rows = {"input_ids": torch.randint(1000, 20000, (batch, 128))}
    module.freeze_unreached({"input_ids": rows["input_ids"][:1]})
    optimizer = optimisation.optimizer(module)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            loss = objective.total(module.imitation(rows)[1])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return module, step, rows["input_ids"].numel()


def profile(directory: Path | None, *, plain: bool) -> None:
    """Where the time goes, by operation."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiled

    from tinydistill.training import runtime

    runtime.tune({"kernels": "plain" if plain else "auto", "keep_memory": not plain})
    _, step, _ = prepared(directory)
    for _ in range(3):
        step()
    with profiled(activities=[ProfilerActivity.CPU]) as seen:
        for _ in range(4):
            step()
    print(seen.key_averages().table(sort_by="self_cpu_time_total", row_limit=24, max_name_column_width=55))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--embedded", action="store_true", help="MiniLM to tiny3 instead, batch 64")
    parser.add_argument("--plain", action="store_true", help="profile the fused kernel, with memory given back")
    options, overrides = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory = None if options.embedded else random_model(Path(temporary, "bert-base"))
        if options.profile:
            profile(directory, plain=options.plain)
            return
        models = EMBEDDED if directory is None else (f"teacher.path={directory}", "student=tinybert4")
        words = ["stage=benchmark", "benchmark.pieces=[general]", f"benchmark.seconds={options.seconds}", *models]
        words += [] if directory is None else ["general.batch_size=32"]
        made = Path(temporary, "made")
        command = [sys.executable, "-m", "tinydistill", *words, *overrides, f"output_dir={made}"]
        subprocess.run(command, check=True)
        result = json.loads((made / "result.json").read_text())
    row = result["pieces"][0]
    fp32 = (row["gemm"]["before"]["fp32"] + row["gemm"]["after"]["fp32"]) / 2
    print(f"{row['units_per_second']:,.0f} word pieces a second, peak memory {row['peak_memory'] / 1e9:.2f} GB")
    if directory is not None:
        multiple = row["units_per_second"] * FLOPS / fp32
        ratio = f"{multiple / ORIGINAL:.1f} times the original's {ORIGINAL}"
        print(f"at {FLOPS / 1e6:.0f} MFLOP each {multiple:.2f} times fp32 matrix products, {ratio}")


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
