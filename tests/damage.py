"""Ways in which a file is damaged."""

import os
from pathlib import Path


def cut(file: Path) -> None:
    """Half of it is lost."""
    os.truncate(file, file.stat().st_size // 2)


def empty(file: Path) -> None:
    """All of it is lost."""
    os.truncate(file, 0)


def zero(file: Path) -> None:
    """Its bytes are zeros."""
    file.write_bytes(bytes(file.stat().st_size))
