"""The directories that stages hand to each other: published whole or not at all, with their provenance."""

import hashlib
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tinydistill.config.compose import flatten
from tinydistill.console import say
from tinydistill.errors import UserError
from tinydistill.ranks import rank

JOB = "job.json"  # in the directory of a sweep's job: what came of it
PACKAGES = ("tinydistill", "torch", "pytorch-lightning", "transformers", "tokenizers", "datasets", "hydra-core")

_PUBLISHED_WITHIN = 600.0  # seconds after the others have finished


@dataclass
class ArtifactWriter:
    """The right to make the artifact at `path`; holders work in `work`, which survives an interruption."""

    path: Path
    work: Path
    settings: dict[str, Any]
    result: dict[str, Any] | None = None
    """The result of the finished artifact, when there is one with the same settings."""

    @property
    def product(self) -> Path:
        """The directory that is going to be published."""
        return self.work / "product"

    def keep_logs(self, directory: Path, phase: str = "") -> None:
        """Copies what the loggers wrote below a working directory into the product, under the phase's name."""
        if (directory / "logs").is_dir():
            links = shutil.ignore_patterns("latest-run")  # of W&B: the run once more
            shutil.copytree(directory / "logs", self.product / "logs" / phase, dirs_exist_ok=True, ignore=links)

    def publish(self, result: dict[str, Any], configuration: dict[str, Any]) -> Path:
        """Adds result.json and provenance.json to the product and moves it to its place in one step."""
        self.product.mkdir(exist_ok=True)
        write_json(self.product / "result.json", result)
        write_json(
            self.product / "provenance.json",
            {"settings": self.settings, "configuration": configuration, **_surroundings()},
        )
        replaced = self.path.with_name(f".{self.path.name}.replaced")
        if self.path.exists():
            self.path.rename(replaced)
        self.product.rename(self.path)
        shutil.rmtree(replaced, ignore_errors=True)
        shutil.rmtree(self.work)
        self.result = result
        return self.path


@contextmanager
def open_artifact(path: Path, settings: dict[str, Any], *, overwrite: bool | str = False) -> Iterator[ArtifactWriter]:
    """Takes hold of an artifact's place, waiting while another process holds it.

    The open_artifact carries a `result` when the artifact is finished with these settings; otherwise work begins, or goes on
    where an earlier run with these settings was cut off; `overwrite="always"` begins anew. Of several ranks the first
    takes hold for all. Raises UserError when other settings, or something that is no artifact, stand in the way, or the
    place can't be written.
    """
    path = path.resolve()
    work = path.with_name(f"{path.name}.unfinished")
    settings = json.loads(json.dumps(settings))
    if rank() != 0:
        finished = _finished(path, settings, overwrite)
        yield ArtifactWriter(path, work, settings, finished)
        if finished is None:
            _await(path, settings)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_name(f".{path.name}.lock"))
        try:
            lock.acquire(blocking=False)
        except Timeout:
            say(f"waiting for another process, which is making {path}")
            lock.acquire()
    except OSError as error:
        raise UserError(
            f"can't write to {path.parent} ({error.strerror}); choose another place with output_dir=DIR"
        ) from error
    try:
        finished = _finished(path, settings, overwrite)
        fresh = finished is None and _begin(work, settings, overwrite)
        try:
            yield ArtifactWriter(path, work, settings, finished)
        except UserError:
            if fresh:
                shutil.rmtree(work, ignore_errors=True)
            raise
    finally:
        lock.release()


def _finished(path: Path, settings: dict[str, Any], overwrite: bool | str) -> dict[str, Any] | None:
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return None
    if not (path / "provenance.json").is_file():
        raise UserError(f"{path} exists and is no artifact of tinydistill; choose another place with output_dir=DIR")
    theirs = read_json(path / "provenance.json")["settings"]
    if overwrite == "always":
        return None
    if theirs == settings:
        return read_json(path / "result.json")
    if not overwrite:
        raise UserError(
            f"{path} was made with other settings ({_difference(theirs, settings)}); "
            "keep it with output_dir=DIR or replace it with overwrite=true"
        )
    return None


def _await(path: Path, settings: dict[str, Any]) -> None:
    """Waits until the first rank has published: what this one does next may need it."""
    deadline = time.monotonic() + _PUBLISHED_WITHIN
    while not (path / "provenance.json").is_file() or read_json(path / "provenance.json")["settings"] != settings:
        if time.monotonic() > deadline:
            raise RuntimeError(f"the first process has not published {path}")
        time.sleep(0.1)


def _begin(work: Path, settings: dict[str, Any], overwrite: bool | str) -> bool:
    """Makes the working directory, or finds the one to go on in; True when it is new."""
    if (work / "settings.json").is_file() and overwrite != "always":
        theirs = read_json(work / "settings.json")
        if theirs == settings:
            return False
        if not overwrite:
            raise UserError(
                f"{work} is an unfinished run with other settings ({_difference(theirs, settings)}); "
                "keep it with output_dir=DIR or drop it with overwrite=true"
            )
    shutil.rmtree(work, ignore_errors=True)
    try:
        work.mkdir()
    except OSError as error:
        raise UserError(
            f"can't write to {work} ({error.strerror}); choose another place with output_dir=DIR"
        ) from error
    write_json(work / "settings.json", settings)
    return True


def _difference(theirs: dict[str, Any], ours: dict[str, Any]) -> str:
    old, new = flatten(theirs), flatten(ours)
    changed = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
    shown = [f"{key}: {_short(old.get(key))} -> {_short(new.get(key))}" for key in changed[:4]]
    return ", ".join(shown) + (f" and {len(changed) - 4} more" if len(changed) > 4 else "")


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:12]}…"


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Which versions of Python and of these packages run."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _surroundings() -> dict[str, Any]:
    return {
        "command": " ".join(sys.argv[1:]),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "machine": {"system": platform.platform(), "cores": os.cpu_count()},
    }


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: Path) -> Any:
    """The content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, content: Any) -> None:
    """Writes a JSON file, whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)
