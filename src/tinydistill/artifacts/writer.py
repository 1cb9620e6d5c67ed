"""The directories that stages hand to each other: published whole or not at all, with their provenance."""

import json
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tinydistill import hub
from tinydistill.artifacts.differences import difference
from tinydistill.artifacts.disk import refused, writing
from tinydistill.artifacts.files import (
    DamagedError,
    check,
    read_json,
    read_sealed,
    seal,
    write_json,
    write_sealed,
)
from tinydistill.artifacts.own import MARK, drop, not_ours, stands
from tinydistill.artifacts.portable import with_home, without_home
from tinydistill.artifacts.provenance import PROVENANCE, RESULT, Record, recipe, record_of, surroundings
from tinydistill.console import say
from tinydistill.errors import InputError, RunError, UserError
from tinydistill.ranks import rank

JOB = "job.json"  # in the directory of a sweep's job: its result
_SETTINGS = "settings.json"
_REPLACED = "replaced"  # in a working directory: the artifact that gives way
_ELSEWHERE = "choose another place with {open_artifact.path}=DIR"

_PUBLISHED_WITHIN = 600.0  # seconds after the other processes have finished


@dataclass
class ArtifactWriter:
    """The artifact that is made at `path`; stages work in `work`, which survives an interruption.

    `result` is that of the finished artifact, when there is one with the same settings. `inputs` are the artifacts that
    it is made from, by what its settings call them; `named` are the paths and hub names of all that it is made from.
    """

    path: Path
    work: Path
    settings: dict[str, Any]
    result: dict[str, Any] | None = None
    inputs: dict[str, Record] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)

    @property
    def product(self) -> Path:
        """The directory that is going to be published."""
        return self.work / "product"

    def keep_logs(self, directory: Path, phase: str = "") -> None:
        """Copy what the loggers wrote below a working directory into the product, under the phase's name."""
        if (directory / "logs").is_dir():
            left = shutil.ignore_patterns("latest-run", "debug*.log")  # of W&B: the run once more, its own diary
            shutil.copytree(
                directory / "logs",
                self.product / "logs" / phase,
                dirs_exist_ok=True,
                ignore=left,
                copy_function=_copy_without_host,
            )

    def keep(self, directory: Path) -> None:
        """Copy a directory of the work, if there is one, into the product under its own name."""
        if directory.is_dir():
            shutil.copytree(directory, self.product / directory.name, dirs_exist_ok=True)

    def publish(self, result: dict[str, Any], configuration: dict[str, Any]) -> Path:
        """Add result.json and provenance.json to the product and move it to its place in one step."""
        with writing(self.product):
            self.product.mkdir(exist_ok=True)
            write_json(self.product / RESULT, without_home(result))
            made = {"settings": self.settings, "recipe": recipe(self.settings, self.inputs)}
            of_hub = {name: path for name, path in self.named.items() if path in hub.taken}
            read = {"hub": {name: {"name": path, "weights": hub.taken[path]} for name, path in of_hub.items()}}
            made |= {"configuration": configuration, **read, **surroundings()}
            write_json(self.product / PROVENANCE, without_home(made))
            seal(self.product)
            if stands(self.path):
                if (mine := not_ours(self.path)) is not None:  # it was put there while this was made
                    raise RunError(f"{mine}; take it away, and the same command publishes", code=2)
                self.path.rename(self.work / _REPLACED)
            self.product.rename(self.path)
        self.drop()
        self.result = result
        return self.path

    def drop(self) -> None:
        """Remove the working directory."""
        drop(self.work)


@contextmanager
def open_artifact(
    path: Path,
    settings: dict[str, Any],
    *,
    overwrite: bool | str = False,
    inputs: Mapping[str, str | None] | None = None,
) -> Iterator[ArtifactWriter]:
    """Open an artifact for writing, waiting while another process has it open.

    It carries a `result` when it is finished with these settings; otherwise work begins, or goes on where an earlier
    run with these settings was cut off; `overwrite="always"` begins anew. Of several ranks the first opens it for all.
    `inputs` are the paths of what it is made from, by what the settings call them.

    Raises:
        InputError: other settings, or something that is no artifact, stand in the way, or the place can't be written.
    """
    path = path.resolve()
    work = path.with_name(f"{path.name}.unfinished")
    settings = with_home(without_home(json.loads(json.dumps(settings))))  # as it is going to be read
    named = {name: one for name, one in (inputs or {}).items() if one is not None}
    taken = {name: record for name, one in named.items() if (record := record_of(one)) is not None}
    if rank() != 0:
        finished = _finished(path, settings, overwrite)
        yield ArtifactWriter(path, work, settings, finished, taken, named)
        if finished is None:
            _await(path, settings)
        return
    lock = _locked(path)
    try:
        if (work / MARK).is_file() and (work / _REPLACED).exists() and not path.exists():
            (work / _REPLACED).rename(path)  # killed in the moment of publishing
        finished = _finished(path, settings, overwrite)
        fresh = finished is None and _begin(work, settings, overwrite)
        try:
            yield ArtifactWriter(path, work, settings, finished, taken, named)
        except (InputError, UserError):  # there is nothing to go on with
            if fresh:
                with suppress(OSError):
                    drop(work)
            raise
    finally:
        lock.release()


def _locked(path: Path) -> FileLock:
    file = path.with_name(f".{path.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if file.exists() and file.stat().st_size:  # a lock is empty, and made so
            raise InputError(f"{file}, which would be the lock, is none of tinydistill's", _ELSEWHERE)
        lock = FileLock(file)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            say(f"waiting for another process, which is making {path}")
            lock.acquire()
    except OSError as error:
        raise _unwritable(path.parent, error) from error
    return lock


def _unwritable(place: Path, error: OSError) -> Exception:
    told = refused(error, place)
    if told is not None and told.code == 1:  # full
        return told
    return InputError(f"can't write to {place} ({error.strerror})", _ELSEWHERE)


def _finished(path: Path, settings: dict[str, Any], overwrite: bool | str) -> dict[str, Any] | None:
    if not stands(path):
        return None
    made: Record | None = None
    wrong: InputError | None = None
    try:
        made = record_of(path)
        if made is not None and made.settings == settings and overwrite != "always":
            check(path, lambda name: not name.endswith(".md"))  # cards are written on
            return made.result
    except DamagedError as error:
        made, wrong = None, error
    foreign = not_ours(path)
    if made is None and wrong is None:
        wrong = InputError(foreign, _ELSEWHERE) if foreign else DamagedError(f"{path} is damaged: it lacks {RESULT}")
    if made is not None and not overwrite:
        raise InputError(
            f"{path} was made with other settings ({difference(made.settings, settings)})",
            "keep it with {open_artifact.path}=DIR or replace it with {open_artifact.overwrite}=true",
        )
    if wrong is not None and not overwrite:
        raise wrong
    if foreign:
        raise InputError(foreign, _ELSEWHERE)
    if wrong:
        say(f"{wrong.message}: it is made again")
    return None


def _await(path: Path, settings: dict[str, Any]) -> None:
    """Wait until the first rank has published: what this one does next may need it."""
    deadline = time.monotonic() + _PUBLISHED_WITHIN
    while not _published(path, settings):
        if time.monotonic() > deadline:
            raise RuntimeError(f"the first process has not published {path}")
        time.sleep(0.1)


def _published(path: Path, settings: dict[str, Any]) -> bool:
    try:
        return bool(with_home(read_json(path / PROVENANCE)["settings"]) == settings)
    except (OSError, ValueError, KeyError, TypeError):  # not there, or a damaged one that is going to be replaced
        return False


def _begin(work: Path, settings: dict[str, Any], overwrite: bool | str) -> bool:
    """Make the working directory, or find the one to go on in; True when it is new."""
    if stands(work) and not (work / MARK).is_file():
        raise InputError(f"{work}, where this would work, is none of tinydistill's", _ELSEWHERE)
    if (work / _SETTINGS).is_file() and overwrite != "always":
        try:
            theirs = read_sealed(work / _SETTINGS)
        except DamagedError as error:
            raise InputError(error.message, "begin anew with {open_artifact.overwrite}=always") from error
        if theirs == settings:
            return False
        if not overwrite:
            raise InputError(
                f"{work} is an unfinished run with other settings ({difference(theirs, settings)})",
                "keep it with {open_artifact.path}=DIR or drop it with {open_artifact.overwrite}=true",
            )
    try:
        drop(work)
        work.mkdir()
        (work / MARK).touch()
    except OSError as error:
        raise _unwritable(work, error) from error
    write_sealed(work / _SETTINGS, settings)
    return True


def _copy_without_host(source: str, target: str) -> str:
    """TensorBoard names its files after the machine."""
    named = Path(target)
    return shutil.copy2(source, str(named.with_name(named.name.replace(socket.gethostname(), "localhost"))))
