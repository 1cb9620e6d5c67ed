"""Artifacts as they lie on disk, read for a report."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tinydistill.artifacts.writer import JOB, file_hash, read_json
from tinydistill.errors import UserError
from tinydistill.models import loading as models

RECORD, RESULT = "provenance.json", "result.json"
_SKIPPED = ("cache", "wandb")  # directories below outputs that hold no artifacts, and many files


@dataclass(frozen=True)
class Run:
    """One artifact. `name` is what a report calls it: the end of its path, no two alike in a report."""

    path: Path
    name: str
    record: dict[str, Any]
    result: dict[str, Any]

    @property
    def stage(self) -> str:
        """The stage that made it."""
        return str(self.configuration["stage"])

    @property
    def settings(self) -> dict[str, Any]:
        """What makes a difference to it."""
        return self.record["settings"]

    @property
    def configuration(self) -> dict[str, Any]:
        """The options of the run that made it; older ones have fewer than there are now."""
        return self.record["configuration"]

    @property
    def task(self) -> str | None:
        """The name of the task that it is about."""
        task = self.configuration.get("task", {}).get("name")
        return task if self.stage in ("finetune", "task", "evaluate", "export") else None

    @cached_property
    def weights(self) -> str:
        """What its weights are, as settings name them; empty where it is no model."""
        return models.identity(str(self.path))

    @cached_property
    def layers(self) -> int | None:
        """The number of Transformer layers of the model that it holds."""
        file = self.path / "config.json"
        return read_json(file).get("num_hidden_layers") if file.is_file() else None

    def identity(self) -> str:
        """Another one where the artifact was made again."""
        return file_hash(self.path / RECORD)[:16] + file_hash(self.path / RESULT)[:16]


@dataclass(frozen=True)
class Collected:
    """The finished artifacts below some directories, and the places of those that are not finished."""

    runs: tuple[Run, ...]
    unfinished: tuple[Path, ...]

    def of(self, *stages: str) -> list[Run]:
        """Those that these stages made."""
        return [run for run in self.runs if run.stage in stages]

    def with_weights(self, identity: str | None) -> Run | None:
        """The run whose model has these weights, if there is one: the one that trained it if there are more."""
        found = [run for run in self.runs if identity and run.weights == identity]
        return min(found, key=lambda run: run.stage == "export", default=None)


def collect(paths: Sequence[Path], *, option: str = "report.paths") -> Collected:
    """The artifacts that `paths` are or hold at any depth, reports excepted.

    Raises UserError for a path that is missing, unfinished, or holds no artifact, and for a damaged one. `option` is
    what the message tells to set.
    """
    found: dict[Path, tuple[Path, dict[str, Any], dict[str, Any]]] = {}
    unfinished: dict[Path, None] = {}
    for path in paths:
        place = path.expanduser()
        artifacts, half_made = _search(place, option)
        read = {artifact.resolve(): (artifact, *_read(artifact)) for artifact in artifacts}
        kept = {key: one for key, one in read.items() if one[1]["configuration"]["stage"] != "report"}
        unfinished |= dict.fromkeys(half_made)
        if not kept and half_made:
            raise UserError(f"{half_made[0]} is an unfinished run: the command that began it goes on with it")
        if not kept:
            raise UserError(f"{place} holds no artifact of tinydistill: name others with '{option}=[DIR]'")
        found |= kept
    names = _names(list(found))
    runs = [Run(key, names[key], record, result) for key, (_, record, result) in found.items()]
    return Collected(tuple(runs), tuple(unfinished))


def _search(path: Path, option: str) -> tuple[list[Path], list[Path]]:
    """The artifacts that a directory is or holds, and the working directories of unfinished ones."""
    if not path.exists() and _unfinished(path).is_dir():
        path = _unfinished(path)
    if not path.is_dir():
        raise UserError(f"{path}: there is no such directory: name others with '{option}=[DIR]'")
    artifacts, half_made = [], []
    for directory in _walk(path):
        if directory.name.endswith(".unfinished"):
            half_made.append(directory)
        else:
            artifacts.append(directory)
    return artifacts, half_made


def _unfinished(path: Path) -> Path:
    return path.with_name(f"{path.name}.unfinished")


def _walk(path: Path) -> Iterator[Path]:
    if path.name.endswith(".unfinished") or (path / RECORD).is_file():
        yield path
        return
    try:
        below = sorted(one for one in path.iterdir() if one.is_dir())
    except OSError as error:
        raise UserError(f"{path} can't be read ({error.strerror})") from error
    for one in below:
        if not one.name.startswith(".") and one.name not in _SKIPPED and not one.is_symlink():
            yield from _walk(one)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    if not (path / RESULT).is_file():
        raise UserError(f"{path} is a damaged artifact: it lacks {RESULT}; make it again, or take it away")
    try:
        record, result = read_json(path / RECORD), read_json(path / RESULT)
        known = isinstance(record["settings"], dict) and isinstance(record["configuration"]["stage"], str)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is a damaged artifact: its record is no JSON ({error})") from error
    except (KeyError, TypeError):
        known = False
    if not known or not isinstance(result, dict):
        raise UserError(f"{path} has a {RECORD} that is none of tinydistill's: take it out of report.paths")
    return record, result


def _names(paths: Sequence[Path]) -> dict[Path, str]:
    """For each path as much of its end as tells it from the others: its stage's directory at least.

    Of a sweep's job the directory and the stage are enough where it has one artifact of the stage.
    """
    by_job = [_in_its_job(path) for path in paths]
    told = [short if by_job.count(short) == 1 else path for path, short in zip(paths, by_job, strict=True)]
    names = {}
    for path, short in zip(paths, told, strict=True):
        for length in range(2, len(short.parts) + 1):
            end = short.parts[-length:]
            if sum(other.parts[-length:] == end for other in told) == 1:
                break
        names[path] = "/".join(end).lstrip("/")
    return names


def _in_its_job(path: Path) -> Path:
    job = next((place for place in path.parents if (place / JOB).is_file()), None)
    return path if job is None else job / path.relative_to(job).parts[0]
