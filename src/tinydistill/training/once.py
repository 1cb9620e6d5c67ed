"""One of several trainings of a stage, which isn't repeated where a run goes on after it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.torch import load_model, save_model
from torch import nn

from tinydistill.artifacts.files import file_hash, kept, write_sealed, written
from tinydistill.console import say
from tinydistill.ranks import rank


def once(directory: Path, model: nn.Module, train: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Train a model and return the report; where an earlier run has done so, take weights and report from there.

    What the report says of the model's `configuration` it has then too.
    """
    weights, reported = directory / "trained.safetensors", directory / "report.json"
    found = kept(reported, "this is done again")
    if found is not None and weights.is_file() and file_hash(weights) == found["weights"]:
        say(f"{directory.name}: finished before")
        load_model(model, weights)
        before: dict[str, Any] = found["report"]
        for name, value in before.get("configuration", {}).items():
            setattr(model.config, name, value)
        return before
    if found is not None:
        say(f"{weights} is damaged: this is done again")
    report = train()
    if rank() == 0:
        directory.mkdir(parents=True, exist_ok=True)  # where no logger has written
        with written(weights) as partial:
            save_model(model, str(partial))
        write_sealed(reported, {"report": report, "weights": file_hash(weights)})  # last: with it the model is finished
    return report
