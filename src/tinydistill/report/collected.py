"""Artifacts as they lie on disk, read for a report."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tinydistill.artifacts.provenance import PROVENANCE, RESULT, record_of
from tinydistill.artifacts.writer import JOB
from tinydistill.errors import InputError
from tinydistill.report.run import Run, best_first

_SKIPPED = ("cache", "wandb")  # directories below outputs that hold no artifacts, and many files
_UNFINISHED = ".unfinished"


@dataclass(frozen=True)
class Collected:
    """The finished artifacts below some directories, and the places of those that are not finished."""

    runs: tuple[Run, ...]
    unfinished: tuple[Path, ...] = ()

    def of(self, *stages: str) -> list[Run]:
        """Those that these stages made."""
        return [run for run in self.runs if run.stage in stages]

    def best_of(self, *stages: str) -> list[Run]:
        """The same, the best first."""
        return best_first(self.of(*stages))

    def with_weights(self, identity: str | None) -> Run | None:
        """The run whose model has these weights, if there is one: the one that trained it if there are more."""
        found = [run for run in self.runs if identity and run.weights == identity]
        return min(found, key=lambda run: run.stage == "export", default=None)


def collect(paths: Sequence[Path]) -> Collected:
    """The artifacts that `paths` are or hold at any depth, reports excepted, and the models that pipelines compared.

    Raises InputError for a path that is missing, unfinished, or holds no artifact, and for a damaged one.
    """
    found: dict[Path, Run] = {}
    unfinished: dict[Path, None] = {}
    for path in paths:
        artifacts, half_made = _search(path.expanduser())
        kept = [run for run in map(_read, artifacts) if run.stage != "report"]
        unfinished |= dict.fromkeys(half_made)
        if not kept and half_made:
            raise InputError(f"{half_made[0]} is an unfinished run: the command that began it goes on with it")
        if not kept:
            raise InputError(f"{path.expanduser()} holds no artifact of tinydistill", _OTHERS)
        found |= {run.path: run for run in kept}
    for run in list(found.values()):
        found |= {made.path: made for made in _compared(run) if made.path not in found}
    names = _names(list(found))
    return Collected(tuple(replace(run, name=names[path]) for path, run in found.items()), tuple(unfinished))


def _compared(run: Run) -> Iterator[Run]:
    """A pipeline's teachers and baselines, which jobs of a sweep share: as they were when it compared them."""
    for row in run.result["models"] if run.stage == "pipeline" else ():
        made = record_of(row["path"]) if row["path"] else None
        if made is not None and made.stage == "finetune":
            now, then = (str(one.provenance.get("finished", "")) for one in (made, run))
            if now <= then:
                yield Run(made.path, made.provenance, made.result)


_OTHERS = "name others with '{collect.paths}=[DIR]'"


def _search(path: Path) -> tuple[list[Path], list[Path]]:
    """The artifacts that a directory is or holds, and the working directories of unfinished ones."""
    if not path.exists() and path.with_name(path.name + _UNFINISHED).is_dir():
        path = path.with_name(path.name + _UNFINISHED)
    if not path.is_dir():
        raise InputError(f"{path}: there is no such directory", _OTHERS)
    found = list(_walk(path))
    half_made = [one for one in found if one.name.endswith(_UNFINISHED)]
    return [one for one in found if one not in half_made], half_made


def _walk(path: Path) -> Iterator[Path]:
    if path.name.endswith(_UNFINISHED) or (path / PROVENANCE).is_file():
        yield path
        return
    try:
        below = sorted(one for one in path.iterdir() if one.is_dir())
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror})") from error
    for one in below:
        if not one.name.startswith(".") and one.name not in _SKIPPED and not one.is_symlink():
            yield from _walk(one)


def _read(path: Path) -> Run:
    made = record_of(path)
    if made is None and not (path / RESULT).is_file():
        raise InputError(f"{path} is a damaged artifact: it lacks {RESULT}", "make it again, or take it away")
    if made is None or not isinstance(made.configuration.get("stage"), str):
        raise InputError(f"{path} has a {PROVENANCE} that is none of tinydistill's", "take it out of {collect.paths}")
    return Run(made.path, made.provenance, made.result)


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
