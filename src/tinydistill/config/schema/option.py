"""What there is to know of an option beside its type."""

from dataclasses import field
from typing import Any

from omegaconf import MISSING


def option(meaning: str, *choices: str, at_least: float | None = None) -> Any:
    """A field that conf/ must set: what it means, the words it may be, the smallest number it may be."""
    return field(default=MISSING, metadata={"meaning": meaning, "choices": choices, "at_least": at_least})
