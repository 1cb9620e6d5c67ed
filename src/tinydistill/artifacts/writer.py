"""The directories that stages hand to each other: published whole or not at all, with their provenance."""

import json
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tinydistill import hub
from tinydistill.artifacts.files import flatten, read_json, write_json
from tinydistill.artifacts.portable import with_home, without_home
from tinydistill.artifacts.provenance import PROVENANCE, RESULT, Record, recipe, record_of, surroundings
from tinydistill.console import say
from tinydistill.errors import InputError, UserError
from tinydistill.ranks import rank

JOB = "job.json"  # in the directory of a sweep's job: its result
_SETTINGS = "settings.json"
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
        self.product.mkdir(exist_ok=True)
        write_json(self.product / RESULT, without_home(result))
        made = {"settings": self.settings, "recipe": recipe(self.settings, self.inputs), "configuration": configuration}
        of_hub = {name: path for name, path in self.named.items() if path in hub.taken}
        read = {"hub": {name: {"name": path, "weights": hub.taken[path]} for name, path in of_hub.items()}}
        write_json(self.product / PROVENANCE, without_home({**made, **read, **surroundings()}))
        replaced = self.path.with_name(f".{self.path.name}.replaced")
        if self.path.exists():
            self.path.rename(replaced)
        self.product.rename(self.path)
        shutil.rmtree(replaced, ignore_errors=True)
        shutil.rmtree(self.work)
        self.result = result
        return self.path


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
        finished = _finished(path, settings, overwrite)
        fresh = finished is None and _begin(work, settings, overwrite)
        try:
            yield ArtifactWriter(path, work, settings, finished, taken, named)
        except (InputError, UserError):  # there is nothing to go on with
            if fresh:
                shutil.rmtree(work, ignore_errors=True)
            raise
    finally:
        lock.release()


def _locked(path: Path) -> FileLock:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_name(f".{path.name}.lock"))
        try:
            lock.acquire(blocking=False)
        except Timeout:
            say(f"waiting for another process, which is making {path}")
            lock.acquire()
    except OSError as error:
        raise InputError(f"can't write to {path.parent} ({error.strerror})", _ELSEWHERE) from error
    return lock


def _finished(path: Path, settings: dict[str, Any], overwrite: bool | str) -> dict[str, Any] | None:
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return None
    if not (path / PROVENANCE).is_file():
        raise InputError(f"{path} exists and is no artifact of tinydistill", _ELSEWHERE)
    theirs = with_home(read_json(path / PROVENANCE)["settings"])
    if overwrite == "always":
        return None
    if theirs == settings:
        result: dict[str, Any] = with_home(read_json(path / RESULT))
        return result
    if not overwrite:
        raise InputError(
            f"{path} was made with other settings ({_difference(theirs, settings)})",
            "keep it with {open_artifact.path}=DIR or replace it with {open_artifact.overwrite}=true",
        )
    return None


def _await(path: Path, settings: dict[str, Any]) -> None:
    """Wait until the first rank has published: what this one does next may need it."""
    deadline = time.monotonic() + _PUBLISHED_WITHIN
    while not (path / PROVENANCE).is_file() or with_home(read_json(path / PROVENANCE)["settings"]) != settings:
        if time.monotonic() > deadline:
            raise RuntimeError(f"the first process has not published {path}")
        time.sleep(0.1)


def _begin(work: Path, settings: dict[str, Any], overwrite: bool | str) -> bool:
    """Make the working directory, or find the one to go on in; True when it is new."""
    if (work / _SETTINGS).is_file() and overwrite != "always":
        theirs = with_home(read_json(work / _SETTINGS))
        if theirs == settings:
            return False
        if not overwrite:
            raise InputError(
                f"{work} is an unfinished run with other settings ({_difference(theirs, settings)})",
                "keep it with {open_artifact.path}=DIR or drop it with {open_artifact.overwrite}=true",
            )
    shutil.rmtree(work, ignore_errors=True)
    try:
        work.mkdir()
    except OSError as error:
        raise InputError(f"can't write to {work} ({error.strerror})", _ELSEWHERE) from error
    write_json(work / _SETTINGS, without_home(settings))
    return True


def _difference(theirs: dict[str, Any], ours: dict[str, Any]) -> str:
    old, new = flatten(theirs), flatten(ours)
    changed = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
    shown = [f"{key}: {_short(old.get(key))} -> {_short(new.get(key))}" for key in changed[:4]]
    return ", ".join(shown) + (f" and {len(changed) - 4} more" if len(changed) > 4 else "")


def _copy_without_host(source: str, target: str) -> str:
    """TensorBoard names its files after the machine."""
    named = Path(target)
    return shutil.copy2(source, str(named.with_name(named.name.replace(socket.gethostname(), "localhost"))))


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:12]}…"
