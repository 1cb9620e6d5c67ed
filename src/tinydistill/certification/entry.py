"""The certificate in a model's config.json: what a cascade needs, under a key that transformers keeps as it is.

A page that was exported with the model shows it too.
"""

import re
from pathlib import Path
from typing import Any

from tinydistill.artifacts.files import CHECKSUMS, read_json, seal, write_json

KEY = "certificate"
_SHOWN = ("config.json", "page/page.json")  # the second is what export.page writes


def write_entry(directory: Path, entry: dict[str, Any], said: str = "") -> None:
    """Put an entry into a published directory's config.json, and what is `said` of it in its card; it stays sealed."""
    files = [directory / name for name in _SHOWN if (directory / name).is_file()]
    known = {file: read_json(file) for file in files}
    if any(before.get(KEY) != entry for before in known.values()):
        for file, before in known.items():
            write_json(file, {**before, KEY: entry})
        card = directory / "README.md"
        if said and card.is_file():
            text = with_section(card.read_text(encoding="utf-8"), "Certificate", said)
            card.write_text(text, encoding="utf-8")
        if (directory / CHECKSUMS).is_file():
            seal(directory)


def with_section(card: str, title: str, text: str) -> str:
    """A card with this section: in the place of an older one, or else before the last section."""
    section = f"## {title}\n\n{text}\n\n"
    older = re.compile(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    if older.search(card):
        return older.sub(lambda _: section, card)
    last = card.rfind("\n## ") + 1
    return card[:last] + section + card[last:] if last else f"{card.rstrip()}\n\n{section}"


def read_entry(directory: Path) -> dict[str, Any]:
    """The entry; empty where there is none."""
    found = read_json(directory / "config.json").get(KEY)
    return found if isinstance(found, dict) else {}
