"""The certificate in a model's config.json: what a cascade needs, under a key that transformers keeps as it is.

A page that was exported with the model shows it too.
"""

from pathlib import Path
from typing import Any

from tinydistill.artifacts.files import CHECKSUMS, read_json, seal, write_json

KEY = "certificate"
_SHOWN = ("config.json", "page/page.json")  # the second is what export.page writes


def write_entry(directory: Path, entry: dict[str, Any]) -> None:
    """Put an entry into a published directory's config.json, which stays sealed."""
    files = [directory / name for name in _SHOWN if (directory / name).is_file()]
    known = {file: read_json(file) for file in files}
    if any(before.get(KEY) != entry for before in known.values()):
        for file, before in known.items():
            write_json(file, {**before, KEY: entry})
        if (directory / CHECKSUMS).is_file():
            seal(directory)


def read_entry(directory: Path) -> dict[str, Any]:
    """The entry; empty where there is none."""
    found = read_json(directory / "config.json").get(KEY)
    return found if isinstance(found, dict) else {}
