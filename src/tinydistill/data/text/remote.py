"""Files of text elsewhere, by URL: copied to a directory once, and read from there like any others."""

from hashlib import sha256
from pathlib import Path, PurePosixPath

import fsspec

from tinydistill.artifacts.files import written
from tinydistill.console import say
from tinydistill.errors import InputError

_ADVICE = "check {FilesCorpus.paths}"


def is_url(name: str) -> bool:
    """Whether a name is one of fsspec's: https://, hf://, s3://."""
    return "://" in name


def copied(url: str, directory: Path) -> list[Path]:
    """The file at a URL, or all that a glob or a directory there holds, copied below a directory unless they are there.

    What changes at a URL isn't noticed once it was copied. Raises InputError where nothing can be had.
    """
    try:
        system, _, places = fsspec.get_fs_token_paths(url)
        found = [one for place in places for one in (system.find(place) if system.isdir(place) else [place])]
        return [_copied(system, place, directory) for place in sorted(found)] or _absent(url)
    except FileNotFoundError:
        return _absent(url)
    except ImportError as error:
        raise InputError(f"'{url}' can't be read: {error}", "install that, or copy the files here") from error
    except InputError:
        raise
    except Exception as error:  # of any library behind fsspec
        raise InputError(f"'{url}' can't be read ({type(error).__name__}: {error})", _ADVICE) from error


def _absent(url: str) -> list[Path]:
    raise InputError(f"'{url}' holds no files", _ADVICE)


def _copied(system: fsspec.AbstractFileSystem, place: str, directory: Path) -> Path:
    key = sha256(f"{system.protocol} {place}".encode()).hexdigest()[:16]
    file = directory / key / PurePosixPath(place).name
    if not file.is_file():
        say(f"copying {place}")
        file.parent.mkdir(parents=True, exist_ok=True)
        with written(file) as partial:
            system.get_file(place, str(partial))
    return file
