"""MkDocs hook: pages of the site that are files of the repository's root, and llms.txt with all pages as Markdown."""

from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGES = {
    "index.md": "README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "reporting.md": "SECURITY.md",
}


def from_root(file: str) -> str:
    """The text of a file of the root, with its links as they are from docs/."""
    text = (ROOT / file).read_text(encoding="utf-8").replace("](docs/", "](")
    for name, linked in PAGES.items():
        text = text.replace(f"]({linked})", f"]({name})")
    return text


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Called by MkDocs for every page: give it its text, and put that beside the page, for llms.txt."""
    name = page.file.src_path
    text = from_root(PAGES[name]) if name in PAGES else markdown
    beside = Path(config.site_dir, name)
    beside.parent.mkdir(parents=True, exist_ok=True)
    beside.write_text(text, encoding="utf-8")
    return text


def on_post_build(config: Any) -> None:
    """Called by MkDocs when the site is written."""
    Path(config.site_dir, "llms.txt").write_text(from_root("llms.txt"), encoding="utf-8")
