"""The certificate in a model's config.json: what a cascade needs, under a key that transformers keeps as it is."""

from pathlib import Path
from typing import Any

from tinydistill.artifacts.files import CHECKSUMS, read_json, seal, write_json

KEY = "certificate"


def write_entry(directory: Path, entry: dict[str, Any]) -> None:
    """Put an entry into a published directory's config.json, which stays sealed."""
    file = directory / "config.json"
    before = read_json(file)
    if before.get(KEY) != entry:
        write_json(file, {**before, KEY: entry})
        if (directory / CHECKSUMS).is_file():
            seal(directory)


def read_entry(directory: Path) -> dict[str, Any]:
    """The entry; empty where there is none."""
    found = read_json(directory / "config.json").get(KEY)
    return found if isinstance(found, dict) else {}
