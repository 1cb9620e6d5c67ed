"""Records without the name of the home directory: ~ stands for it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def without_home(value: Any) -> Any:
    """The same JSON content with ~ for the home directory, wherever it stands in a text."""
    home = Path.home()
    if home == home.parent:  # / of some containers, which is nobody's
        return value
    return _each(value, lambda text: "~" if text == str(home) else text.replace(f"{home}{os.sep}", f"~{os.sep}"))


def with_home(value: Any) -> Any:
    """The paths of `without_home`'s content as they are on this machine; a text that goes on about a path stays so."""
    home = str(Path.home())
    return _each(value, lambda text: home + text[1:] if text == "~" or text.startswith(f"~{os.sep}") else text)


def _each(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {_each(key, change): _each(one, change) for key, one in value.items()}
    return [_each(one, change) for one in value] if isinstance(value, list | tuple) else value
