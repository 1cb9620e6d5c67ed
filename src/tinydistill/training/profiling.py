"""Lightning's profiler of torch, kept to training."""

from typing import Any

from pytorch_lightning.profilers import PyTorchProfiler


class TrainingProfiler(PyTorchProfiler):
    """Record training steps alone: Lightning's own fails where a trainer validates a few batches more than once."""

    def start(self, action_name: str) -> None:
        """Begin to record, in training."""
        module: Any = self._lightning_module
        if self._stage == "fit" and module is not None and not module.trainer.validating:
            super().start(action_name)

    def stop(self, action_name: str) -> None:
        """End what was begun."""
        if action_name in self._recording_map:
            super().stop(action_name)

    def summary(self) -> str:
        """The table, after training."""
        return super().summary() if self._stage == "fit" else ""
