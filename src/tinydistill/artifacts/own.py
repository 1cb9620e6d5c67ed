"""Which directories are tinydistill's own, so that they may be cleared or replaced."""

import shutil
from pathlib import Path

from tinydistill.artifacts.files import CHECKSUMS, read_json, sealed_files
from tinydistill.artifacts.provenance import PROVENANCE

MARK = ".tinydistill"  # in a working directory


def stands(path: Path) -> bool:
    """Whether there is anything at a path but an empty directory."""
    return path.exists() and not (path.is_dir() and not any(path.iterdir()))


def not_ours(path: Path) -> str | None:
    """Why an artifact's place must not be cleared, in words: it isn't tinydistill's, or holds what isn't."""
    files = sealed_files(path)
    if files is None or PROVENANCE not in files:  # of an older version, or damaged
        try:
            old = read_json(path / PROVENANCE)
            made = isinstance(old["settings"], dict) and isinstance(old["configuration"], dict)
        except (OSError, ValueError, KeyError, TypeError):
            made = False
        return None if made else f"{path} exists and is no artifact of tinydistill"
    others = (one for one in sorted(path.rglob("*")) if not one.is_dir() and one.name != CHECKSUMS)
    added = next((one for one in others if one.relative_to(path).as_posix() not in files), None)
    return None if added is None else f"{added} was put into an artifact, and would be removed with it"


def drop(work: Path) -> None:
    """Remove a working directory, its mark last: what is left of it when this is cut off is still known."""
    if work.is_dir():
        for path in work.iterdir():
            if path.name != MARK:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        shutil.rmtree(work)
