"""What some systems have and others don't."""

import sys

try:
    import resource
except ModuleNotFoundError:  # on Windows
    resource = None  # type: ignore[assignment]


def peak_resident() -> int | None:
    """Bytes of the largest resident set of this process so far; None where the system doesn't tell."""
    if resource is None:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most
