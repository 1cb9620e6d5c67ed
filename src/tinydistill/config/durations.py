"""Lengths of time as a command line has them."""

import math
import re

from tinydistill.errors import UserError

_NUMBER = r"(\d+(?:\.\d+)?)"
_LENGTH = re.compile(rf"(?:{_NUMBER}h)?(?:{_NUMBER}min)?(?:{_NUMBER}s)?")


def seconds_of(option: str, text: str) -> float:
    """The seconds of 45s, 30min, 2h or 1h30min. Raises UserError, which names the option, for anything else."""
    found = _LENGTH.fullmatch(text)
    numbers = [float(number or 0) for number in found.groups()] if found else []
    seconds = sum(number * unit for number, unit in zip(numbers, (3600, 60, 1), strict=False))
    if not 0 < seconds < math.inf:
        raise UserError(f"{option}={text} is no length of time: write 30min, 2h or 1h30min")
    return seconds


def written(seconds: float) -> str:
    """Seconds as an option has them, whole minutes from one on, rounded up."""
    return f"{math.ceil(seconds)}s" if seconds < 60 else f"{math.ceil(seconds / 60)}min"
