"""Whether pictures can be drawn: matplotlib, which draws them, is installed on request."""

from functools import cache
from importlib.util import find_spec

from tinydistill.console import say
from tinydistill.errors import InputError

_INSTALL = "pip install matplotlib"


def check_installed() -> None:
    """Raise InputError where nothing can be drawn."""
    if find_spec("matplotlib") is None:
        raise InputError("a report needs matplotlib", _INSTALL)


@cache
def possible() -> bool:
    """Whether pictures can be drawn. Where not, that is said, once by a process."""
    installed = find_spec("matplotlib") is not None
    if not installed:
        say(f"attention maps and the report are left out, as matplotlib is missing: {_INSTALL}")
    return installed
