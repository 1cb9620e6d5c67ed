"""Files and directories that are whole or not there, with checksums that tell when they have changed since.

There is one way to write (`written`: beside, onto the disk, renamed) and one to seal: CRC-32, of a JSON file within it,
of a directory's files in its checksums.json, of a zip archive, which torch's and numpy's files are, in the archive.
"""

import functools
import hashlib
import json
import os
import shutil
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from tinydistill.artifacts.disk import writing
from tinydistill.artifacts.portable import with_home, without_home
from tinydistill.console import say
from tinydistill.errors import InputError, RunError

CHECKSUMS = "checksums.json"
PIECE = 1 << 20  # bytes that are read at once
WHOLE = 1 << 31  # bytes: of a larger file, which takes seconds to read, a piece in every 1/1024 is looked at
_SEAL, _PARTIAL = "crc32", ".partial-"


class DamagedError(InputError):
    """A file that tinydistill wrote has changed since."""


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def written(path: Path, *, size: int | None = None, previous: Path | None = None) -> Iterator[Path]:
    """A path to write a file to, which takes the place of `path` in one step when all of it is on the disk.

    The file that it replaces is kept as `previous`. Raises RunError where the disk refuses; nothing has changed then.
    """
    partial = path.with_name(f"{_PARTIAL}{uuid.uuid4().hex[:8]}-{path.name}")
    with writing(path, size=size):
        try:
            yield partial
            _onto_disk(partial)
            if previous is not None and path.exists():
                path.replace(previous)
            partial.replace(path)
            _onto_disk(path.parent)
        finally:
            partial.unlink(missing_ok=True)


def clear(directory: Path) -> None:
    """Remove the half-written files of runs that were killed, from a directory that nobody else writes to."""
    for left in directory.rglob(f"{_PARTIAL}*"):
        left.unlink()


def _onto_disk(path: Path) -> None:
    if os.name != "posix" and path.is_dir():  # there a directory can't be opened
        return
    opened = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)  # there only what can be written is synced
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def read_json(path: Path) -> Any:
    """The content of a JSON file. Raises ValueError for anything else."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file, whole or not at all. Raises RunError for a number that isn't finite: JSON has none."""
    try:
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise RunError(f"{path.name} would hold a number that isn't finite, so nothing is written") from error
    with written(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def write_sealed(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file that stands alone, with its checksum as the last key, and without the home directory's name."""
    content = json.loads(json.dumps(without_home(content)))  # as it is read again
    write_json(path, {**content, _SEAL: _checksum(content)})


def read_sealed(path: Path) -> dict[str, Any]:
    """The content of what `write_sealed` wrote. Raises DamagedError for anything else."""
    try:
        content = read_json(path)
        if content.pop(_SEAL) == _checksum(content):
            return dict(with_home(content))
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise DamagedError(f"{path} is damaged, or not tinydistill's")


def kept(path: Path, otherwise: str) -> dict[str, Any] | None:
    """What `write_sealed` wrote; None where there is nothing, or it is damaged: that is said, and what is done then."""
    if not path.is_file():
        return None
    try:
        return read_sealed(path)
    except DamagedError:
        say(f"{path} is damaged: {otherwise}")
        return None


def _checksum(content: Any) -> str:
    return f"{zlib.crc32(json.dumps(content, sort_keys=True).encode()):08x}"


def digest(value: Any) -> str:
    """A short hash of what JSON can say, for the names of directories."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def seal(directory: Path) -> None:
    """Have all of a directory on the disk, and its files' sizes and checksums in its checksums.json."""
    clear(directory)
    files = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file() and path.name != CHECKSUMS:
            files[path.relative_to(directory).as_posix()] = _fingerprint(path)
        if not path.is_symlink():
            _onto_disk(path)
    write_json(directory / CHECKSUMS, files)


def sealed_files(directory: Path) -> dict[str, Any] | None:
    """The checksums of a directory's files by their paths in it, {} in another's file; None for none to be read."""
    try:
        files = read_json(directory / CHECKSUMS)
    except (OSError, ValueError):
        return None
    return files if isinstance(files, dict) and all(isinstance(known, list) for known in files.values()) else {}


def damage(directory: Path, wanted: Callable[[str], bool] = bool) -> str | None:
    """What is wrong with those of a sealed directory's files that are wanted, in words; None where nothing is."""
    files = sealed_files(directory)
    if not files:
        return f"{CHECKSUMS} is damaged" if (directory / CHECKSUMS).exists() else f"it has no {CHECKSUMS}"
    for name, known in files.items():
        path = directory / name
        if wanted(name) and not path.is_file():
            return f"{name} is missing"
        if wanted(name) and _fingerprint(path) != known:
            return f"{name} isn't as it was written"
    return None


def check(directory: Path, wanted: Callable[[str], bool] = bool) -> None:
    """Raises DamagedError for an artifact with files, of those that are wanted, that aren't as they were written.

    One of an older version, or another tool's directory, has no checksums to tell by.
    """
    known = (directory / CHECKSUMS).exists() and sealed_files(directory) != {}
    if known and (found := damage(directory, wanted)):
        raise DamagedError(
            f"{directory} is damaged: {found}",
            "make it again with {open_artifact.overwrite}=true in the command that made it, or take it from a copy; "
            f"if the change is yours, remove its {CHECKSUMS}",
        )


def _fingerprint(path: Path) -> list[Any]:
    found = path.stat()
    return [found.st_size, _crc(path, found.st_size, found.st_mtime_ns, found.st_ino)]


@functools.lru_cache(4096)
def _crc(path: Path, size: int, *_: int) -> str:
    """Of a file as it is now; looked at once by a process unless it changes."""
    found, step = 0, PIECE if size <= WHOLE else size // 1024
    with path.open("rb", buffering=0) as file:
        for start in range(0, size, step):
            file.seek(start)
            found = zlib.crc32(file.read(PIECE), found)
    return f"{found:08x}"


def archive_damage(path: Path) -> str | None:
    """What is wrong with a zip archive, such as torch and numpy write, in words; None where nothing is."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, OSError) as error:
        return str(error)
    return f"{broken} isn't as it was written" if broken else None


def built_once(entry: Path, build: Callable[[Path], None]) -> Path:
    """`entry`, a directory that is built once and read by many, after `build` has filled it unless it was there before.

    Of several processes that need the same entry one builds and the others wait; one that is killed leaves nothing that
    a later one would use. A damaged one is built again.
    """
    if entry.exists() and damage(entry) is None:
        return entry
    with writing(entry):
        entry.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{entry}.lock"):
            if entry.exists():
                if (found := damage(entry)) is None:
                    return entry
                say(f"{entry} is damaged ({found}): it is made again")
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            work = entry.with_name(f".{entry.name}.partial")
            shutil.rmtree(work, ignore_errors=True)  # of a killed job: the lock says that nobody is at it
            work.mkdir()
            try:
                build(work)
                seal(work)
                work.replace(entry)
                _onto_disk(entry.parent)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return entry
