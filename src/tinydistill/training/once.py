"""A training among several of a stage: what is finished is not done again when a run goes on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.torch import load_model, save_model
from torch import nn

from tinydistill.artifacts.files import read_json, write_json
from tinydistill.console import say
from tinydistill.ranks import rank


def once(directory: Path, model: nn.Module, train: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Train a model and return the report; where an earlier run has done so, take weights and report from there."""
    weights, reported = directory / "trained.safetensors", directory / "report.json"
    if reported.is_file():
        say(f"{directory.name}: finished before")
        load_model(model, weights)
        found: dict[str, Any] = read_json(reported)
        return found
    report = train()
    if rank() == 0:
        directory.mkdir(parents=True, exist_ok=True)  # where no logger has written
        save_model(model, str(weights))
        write_json(reported, report)  # the last thing written: with it the model is finished
    return report
