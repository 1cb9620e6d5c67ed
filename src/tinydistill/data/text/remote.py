"""Files of text elsewhere, by URL: copied to a directory once, and read from there like any others."""

from functools import cache
from pathlib import Path, PurePosixPath

import fsspec

from tinydistill.artifacts.files import built_once, digest
from tinydistill.console import say
from tinydistill.errors import InputError, RunError

_ADVICE = "check {FilesCorpus.paths}"


def is_url(name: str) -> bool:
    """Whether a name is one of fsspec's: https://, hf://, s3://."""
    return "://" in name


@cache
def copied(url: str, directory: Path) -> list[Path]:
    """The file at a URL, or all that a glob or a directory there holds, copied below a directory unless they are there.

    What is there is asked once by a process; what changes at a URL isn't noticed once it was copied. Raises InputError
    where nothing can be had, and RunError where the disk has no room for it.
    """
    try:
        system, _, places = fsspec.get_fs_token_paths(url)
        found = [one for place in places for one in (system.find(place) if system.isdir(place) else [place])]
        files = [_copied(system, place, directory) for place in sorted(found)]
    except FileNotFoundError:
        files = []
    except ImportError as error:
        raise InputError(f"'{url}' can't be read: {error}", "install that, or copy the files here") from error
    except RunError:
        raise
    except Exception as error:  # of any library behind fsspec
        raise InputError(f"'{url}' can't be read ({type(error).__name__}: {error})", _ADVICE) from error
    if not files:
        raise InputError(f"'{url}' holds no files", _ADVICE)
    return files


def _copied(system: fsspec.AbstractFileSystem, place: str, directory: Path) -> Path:
    name = PurePosixPath(place).name

    def build(entry: Path) -> None:
        say(f"copying {place}")
        system.get_file(place, str(entry / name))

    return built_once(directory / digest(f"{system.protocol} {place}"), build) / name
