"""Directories that are built once and read by many: whole or not there at all."""

import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock


def built_once(entry: Path, build: Callable[[Path], None]) -> Path:
    """`entry`, after `build` has filled it unless it was there before.

    Of several processes that need the same entry one builds and the others wait; one that is killed leaves nothing that
    a later one would use.
    """
    if entry.exists():
        return entry
    entry.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{entry}.lock"):
        if entry.exists():
            return entry
        work = entry.with_name(f".{entry.name}.partial")
        shutil.rmtree(work, ignore_errors=True)  # of a killed job: the lock says that nobody is at it
        work.mkdir()
        try:
            build(work)
            work.replace(entry)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return entry
