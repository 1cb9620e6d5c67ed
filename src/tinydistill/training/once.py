"""One of several trainings of a stage, which isn't repeated where a run goes on after it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.torch import load_model, save_model
from torch import nn

from tinydistill.artifacts.files import file_hash, kept, write_sealed, written
from tinydistill.console import say
from tinydistill.ranks import rank

_WEIGHTS, _REPORT = "trained.safetensors", "report.json"


def once(directory: Path, model: nn.Module, train: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Train a model and return the report; where an earlier run has done so, take weights and report from there."""
    if (before := restore(directory, model)) is not None:
        say(f"{directory.name}: finished before")
        return before
    report = train()
    if rank() == 0:
        weights = directory / _WEIGHTS
        directory.mkdir(parents=True, exist_ok=True)  # where no logger has written
        with written(weights) as partial:
            save_model(model, str(partial))
        sealed = {"report": report, "weights": file_hash(weights)}
        write_sealed(directory / _REPORT, sealed)  # last: with it the model is finished
    return report


def restore(directory: Path, model: nn.Module) -> dict[str, Any] | None:
    """The report of a training that is finished, or None; the model has its weights now, and its `configuration`."""
    weights = directory / _WEIGHTS
    found = kept(directory / _REPORT, "this is done again")
    if found is None:
        return None
    if not weights.is_file() or file_hash(weights) != found["weights"]:
        say(f"{weights} is damaged: this is done again")
        return None
    load_model(model, weights)
    report: dict[str, Any] = found["report"]
    for name, value in report.get("configuration", {}).items():
        setattr(model.config, name, value)
    return report
