"""Where the time of training steps goes, by torch's profiler."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from torch import nn
from torch.profiler import profile, record_function, schedule

from tinydistill.console import say

WARM, WATCHED = 3, 5  # steps that are left out, and steps that are looked at


class Profile(pl.Callback):
    """Writes a table of operators and of whole models, by the time they take, to DIRECTORY/profile.txt."""

    def __init__(self, directory: Path):
        self.file = directory / "profile.txt"

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Names the models, and starts to watch."""
        os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # it tells of itself on stderr
        self._hooks = [hook for name, module in _models(pl_module) for hook in _named(name, module)]
        self._profile = profile(schedule=schedule(wait=WARM - 1, warmup=1, active=WATCHED, repeat=1), acc_events=True)
        self._profile.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """The next step."""
        self._profile.step()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes the table."""
        self._profile.stop()
        for hook in self._hooks:
            hook.remove()
        seen = self._profile.key_averages()
        if not len(seen):
            say(f"nothing to profile: the run had fewer than {WARM + 1} steps")
            return
        device = "cuda" if any(event.self_device_time_total for event in seen) else "cpu"
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(
            f"Up to {WATCHED} steps after {WARM} others. MODEL.forward stands for all that a model computes.\n\n"
            + seen.table(sort_by=f"{device}_time_total", row_limit=60, max_name_column_width=48)
        )


def _models(module: pl.LightningModule) -> Iterator[tuple[str, nn.Module]]:
    for name in ("student", "model"):
        if hasattr(module, name):
            yield name, getattr(module, name)
    if hasattr(module, "imitation"):
        yield "teacher", module.imitation.teacher
        yield "objective", module.imitation.objective


def _named(name: str, module: nn.Module) -> Iterator[Any]:
    """Hooks that give all that a module's forward computes a name in the profile."""
    running: list[record_function] = []

    def begin(*_: Any) -> None:
        running.append(record_function(f"{name}.forward"))
        running[-1].__enter__()

    def end(*_: Any) -> None:
        running.pop().__exit__(None, None, None)

    yield module.register_forward_pre_hook(begin)
    yield module.register_forward_hook(end)
