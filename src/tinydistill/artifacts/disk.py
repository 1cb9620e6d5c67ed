"""Disks that are full or can't be written: what any library says of that, as one line that names the place."""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tinydistill.errors import InputError, RunError, UserError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR)
_ERRNO = re.compile(r"(?:\(os error |\[Errno )(\d+)")  # as safetensors, pyarrow and shutil.copytree say it
_SHORT = re.compile(r"requested and \d+ written|unexpected pos \d+ vs \d+")  # numpy and torch, which don't say why


def refused(error: BaseException, *places: Path, size: int | None = None) -> RunError | None:
    """A disk's refusal that led to an error as one line, None where none did.

    It names what the error does, or else the fullest of the `places`; `size` is how many bytes were to be written.
    """
    one: BaseException | None = error
    while one is not None and not isinstance(one, InputError | UserError | RunError):
        number, name = _errno(one), getattr(one, "filename", None)
        named = [Path(os.fsdecode(name))] if isinstance(name, str | bytes) else []
        if number in _FULL:
            return RunError(_full(min([*named, *places], key=_free, default=None), size))
        if number in _CLOSED and (named or places):
            return RunError(f"can't use {(*named, *places)[0]} ({os.strerror(number)})", code=2)
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
    return one if isinstance(one, RunError) else None


def _errno(error: BaseException) -> int:
    if isinstance(error, OSError) and error.errno:
        return error.errno
    if found := _ERRNO.search(str(error)):
        return int(found[1])
    return errno.ENOSPC if _SHORT.search(str(error)) else 0


def _full(place: Path | None, size: int | None) -> str:
    free = "" if place is None else f" for {place}: {_free(place) / 1e6:,.1f} MB are free"
    needed = "" if size is None else f", {size / 1e6:,.1f} MB needed"
    return f"the disk has no room{free}{needed}; make room, and the same command goes on from what is done"


def _free(place: Path) -> int:
    return shutil.disk_usage(_nearest_existing(place)).free


def _nearest_existing(place: Path) -> Path:
    """The nearest of a path and its parents that exists."""
    whole = place.expanduser().absolute()
    return next(one for one in (whole, *whole.parents) if one.exists())


@contextmanager
def writing(*places: Path, size: int | None = None) -> Iterator[None]:
    """Raises RunError, which names the place, where a disk refuses what is written within."""
    try:
        yield
    except Exception as error:
        told = refused(error, *places, size=size)
        if told is None or told is error:
            raise
        raise told from error


def check_place(place: Path, argument: str) -> None:
    """Raises InputError where nothing can be written at a place: its disk is read-only, or a file is in its way."""
    advice = f"choose another place with {{{argument}}}=DIR"
    if re.match(r"[A-Za-z][\w+.-]+:/", str(place)):  # as s3://bucket/outputs, of which a path keeps one /
        raise InputError(f"{place} is a URL, and only directories of this machine are written to", advice)
    there = _nearest_existing(place)
    if not there.is_dir():
        raise InputError(f"can't write to {place}: {there} is no directory", advice)
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"can't write to {there}", advice)
