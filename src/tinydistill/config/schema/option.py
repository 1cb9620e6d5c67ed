"""What there is to know of an option beside its type."""

import math
from collections.abc import Iterator
from dataclasses import field, fields, is_dataclass
from typing import Any

from omegaconf import MISSING

from tinydistill.errors import UserError

LARGEST = 10**9  # whole number that any option may be unless it says otherwise
SEED = 2**32 - 1  # the largest that numpy takes
RATE = 100  # the largest learning rate: Adam's steps are of its size


def option(
    meaning: str,
    default: Any = MISSING,
    *,
    choices: tuple[str, ...] = (),
    at_least: float | None = None,
    at_most: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> Any:
    """A field of the configuration: what it means, its default, the words or the numbers that it may be.

    Without a default, conf/ must set it. A default that is an interpolation is resolved in a composed configuration.
    """
    bounds = {"at_least": at_least, "at_most": at_most, "above": above, "below": below}
    metadata = {"meaning": meaning, "choices": choices, **bounds}
    if isinstance(default, list | dict):
        return field(default_factory=lambda: type(default)(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def options(schema: Any, prefix: str = "") -> dict[str, dict[str, Any]]:
    """Every dotted key of a dataclass and of those in it, with its metadata."""
    found: dict[str, dict[str, Any]] = {}
    for one in fields(schema):
        if is_dataclass(one.type):
            found |= options(one.type, f"{prefix}{one.name}.")
        else:
            found[prefix + one.name] = dict(one.metadata)
    return found


def check_options(node: Any, prefix: str = "") -> None:
    """Raises UserError for a value of a dataclass, or of those in it, outside of its choices or bounds.

    So it does for an attribute that is no field, as +student.wide=1 makes one.
    """
    known = [one.name for one in fields(node)]
    if unknown := [name for name in vars(node) if name not in known]:
        match = nearest(unknown[0], known, similarity=0.7)
        there = ", ".join(prefix + name for name in known)
        raise UserError(f"there is no option called {prefix}{unknown[0]}{match}; there are {there}")
    for one in fields(node):
        value, key = getattr(node, one.name), prefix + one.name
        if is_dataclass(value):
            check_options(value, f"{key}.")
        elif value is not None:
            for name, number in _leaves(key, value):
                if isinstance(number, float) and not math.isfinite(number):
                    raise UserError(f"{name}={number} is not a finite number")
            for part in value if isinstance(value, list) else [value]:
                _check(key, part, one.metadata)


def _leaves(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """What lists and open nodes hold, under its dotted key."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _leaves(f"{key}.{name}", part)
    elif isinstance(value, list):
        for part in value:
            yield from _leaves(key, part)
    else:
        yield key, value


def _check(key: str, value: Any, metadata: Any) -> None:
    if metadata["choices"] and value not in metadata["choices"]:
        choices = metadata["choices"]
        raise UserError(f"{key}={value} is not one of {', '.join(choices)}{nearest(str(value), choices)}")
    bounds = least, most, above, below = [metadata[name] for name in ("at_least", "at_most", "above", "below")]
    if any(bound is not None for bound in bounds) and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise UserError(f"{key}={value} is no number")
    if least is not None and most is None and below is None and type(value) is int:
        most = LARGEST
    if least is not None and not value >= least:
        raise UserError(f"{key}={value} is too small: it must be at least {least:.10g}")
    if above is not None and not value > above:
        raise UserError(f"{key}={value} is too small: it must be above {above:.10g}")
    if most is not None and not value <= most:
        raise UserError(f"{key}={value} is too large: it must be at most {most:.10g}")
    if below is not None and not value < below:
        raise UserError(f"{key}={value} is too large: it must be below {below:.10g}")


def nearest(word: str, known: Any, similarity: float = 0.5) -> str:
    """A closing remark that names the known word most like the given one; empty when none is."""
    from difflib import get_close_matches

    match = get_close_matches(word, list(known), n=1, cutoff=similarity)
    return f" (did you mean {match[0]}?)" if match else ""
