"""How an artifact came to be: what it was made with, on which machine, from which other artifacts."""

import os
import platform
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from tinydistill.artifacts.files import DamagedError, check, digest, read_json
from tinydistill.artifacts.portable import with_home

PROVENANCE, RESULT = "provenance.json", "result.json"
PACKAGES = (
    "tinydistill-lightning",
    "torch",
    "pytorch-lightning",
    "transformers",
    "tokenizers",
    "datasets",
    "hydra-core",
)
# Of the environment, these alone: what can change a run or its speed, and holds no path and no secret.
_VARIABLES = re.compile(
    "OMP_NUM_THREADS|MKL_NUM_THREADS|CUBLAS_WORKSPACE_CONFIG|NVIDIA_TF32_OVERRIDE|PYTORCH_(CUDA_)?ALLOC_CONF"
    "|TORCH_(LOGS|COMPILE_DISABLE|ALLOW_TF32_CUBLAS_OVERRIDE)|TORCHDYNAMO_DISABLE|PL_(GLOBAL_SEED|SEED_WORKERS)"
    "|PL_TRAINER_(MAX_EPOCHS|MAX_STEPS|MIN_EPOCHS|MIN_STEPS|PRECISION|ACCELERATOR|DEVICES|NUM_NODES|STRATEGY"
    "|DETERMINISTIC|BENCHMARK|GRADIENT_CLIP_VAL|ACCUMULATE_GRAD_BATCHES|LIMIT_TRAIN_BATCHES)"
)


@dataclass(frozen=True)
class Record:
    """A finished artifact: where it is, how it came to be, and its figures."""

    path: Path
    provenance: dict[str, Any]
    result: dict[str, Any]

    @property
    def stage(self) -> str:
        """The stage that made it."""
        return str(self.configuration["stage"])

    @property
    def settings(self) -> dict[str, Any]:
        """What it depends on."""
        settings: dict[str, Any] = self.provenance["settings"]
        return settings

    @property
    def configuration(self) -> dict[str, Any]:
        """The options of the run that made it; older ones have fewer than there are now."""
        configuration: dict[str, Any] = self.provenance["configuration"]
        return configuration

    @property
    def recipe(self) -> str:
        """The same for artifacts that differ in their seed alone; of older ones, if their inputs are the same too."""
        return str(self.provenance.get("recipe") or recipe(self.settings))

    @property
    def seed(self) -> int | None:
        """The seed that it was made with; None where it depends on none of its own."""
        seed = self.settings.get("options", {}).get("seed")
        return None if seed is None else int(seed)


def recipe(settings: dict[str, Any], inputs: Mapping[str, Record] | None = None) -> str:
    """A digest of settings without the seed, and with recipes in place of the identities of inputs that are artifacts.

    So the students of two seeds have one recipe though each learned from a teacher that was made with its own seed.
    """
    options = {name: value for name, value in settings.get("options", {}).items() if name != "seed"}
    named = settings.get("inputs", {}) | {name: record.recipe for name, record in (inputs or {}).items()}
    return digest({**settings, "options": options, "inputs": named})


def record_of(path: str | Path) -> Record | None:
    """The artifact at a path or around a file in it; None where there is none of ours, as for a model of the hub.

    Raises DamagedError where its record isn't as it was written.
    """
    place = Path(path).expanduser()
    directory = (place.parent if place.is_file() else place).resolve()
    check(directory, (PROVENANCE, RESULT).__contains__)
    if not ((directory / PROVENANCE).is_file() and (directory / RESULT).is_file()):
        return None
    try:
        record = Record(directory, *(with_home(read_json(directory / name)) for name in (PROVENANCE, RESULT)))
        ours = all(isinstance(one, dict) for one in (record.settings, record.configuration, record.result))
    except ValueError as error:
        raise DamagedError(f"{directory} is a damaged artifact: its record is no JSON ({error})") from error
    except (KeyError, TypeError):
        return None
    return record if ours else None


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Which versions of Python and of these packages run."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def surroundings() -> dict[str, Any]:
    """The command, the time, the versions, the machine, and variables that Lightning and torch listen to."""
    return {
        "command": " ".join(sys.argv[1:]),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "machine": {"system": platform.platform(), "cores": os.cpu_count()},
        "environment": {name: value for name, value in sorted(os.environ.items()) if _VARIABLES.fullmatch(name)},
    }
