"""MkDocs hook: pages of the site that are files of the repository's root, with their links as they are from docs/."""

from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGES = {"index.md": "README.md", "changelog.md": "CHANGELOG.md", "contributing.md": "CONTRIBUTING.md"}


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Called by MkDocs for every page."""
    if page.file.src_path not in PAGES:
        return markdown
    text = (ROOT / PAGES[page.file.src_path]).read_text(encoding="utf-8").replace("](docs/", "](")
    for name, file in PAGES.items():
        text = text.replace(f"]({file})", f"]({name})")
    return text
