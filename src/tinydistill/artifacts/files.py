"""Files and directories that are whole or not there, and what names their content."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock

from tinydistill.errors import RunError


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: Path) -> Any:
    """The content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file, whole or not at all. Raises RunError for a number that isn't finite: JSON has none."""
    try:
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise RunError(f"{path.name} would hold a number that isn't finite, so nothing is written") from error
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(path)


def digest(value: Any) -> str:
    """A short hash of what JSON can say, for the names of directories."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one, with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def built_once(entry: Path, build: Callable[[Path], None]) -> Path:
    """`entry`, a directory that is built once and read by many, after `build` has filled it unless it was there before.

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
