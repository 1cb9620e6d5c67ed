"""A report in Markdown, and the same as one HTML file that needs nothing else: no network, no script."""

import base64
import html
import re
from collections.abc import Sequence
from pathlib import Path

from tinydistill.escaping import for_markdown
from tinydistill.report.plots import DPI

_SHOWN_DPI = 96  # a browser's pixels an inch
_STYLE = """
:root { color-scheme: light dark; --ink: #1d2126; --soft: #5c6670; --line: #d9dee3; --paper: #fff; --band: #f4f6f8; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e3e7eb; --soft: #9aa5b0; --line: #39424b; --paper: #15191d; --band: #1e2429; }
}
body { margin: 0; color: var(--ink); background: var(--paper);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 24px clamp(14px, 3vw, 36px) 72px; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: .4em 0 .3em; }
h2 { font-size: 1.3rem; margin: 2.2em 0 .5em; padding-top: .7em; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.7em 0 .5em; }
h1, h2, h3, p, li { overflow-wrap: anywhere; }
p { max-width: 76ch; }
.figures { display: flex; flex-wrap: wrap; gap: 14px; align-items: flex-start; margin: 1em 0; }
.figures.wide { overflow-x: auto; flex-wrap: nowrap; }
.figures img { flex: 0 1 auto; max-width: 100%; height: auto; background: #fff; border-radius: 6px; }
.figures.wide img { flex: none; max-width: none; }
@media (min-width: 1100px) { .figures.wide { flex-wrap: wrap; } }
.table { overflow-x: auto; margin: .8em 0 1.2em; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 12px; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top;
  white-space: nowrap; }
th { color: var(--soft); font-weight: 600; border-bottom-width: 2px; }
tbody tr:nth-child(even) { background: var(--band); }
td:has(code) { white-space: normal; min-width: 21em; }
th code { background: none; padding: 0; }
code { font: .87em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  background: var(--band); padding: 1px 4px; border-radius: 4px; overflow-wrap: anywhere; }
em { color: var(--soft); font-style: normal; font-size: .92rem; }
nav { font-size: .95rem; } a { color: #1f7ac0; }
"""


def images(files: Sequence[tuple[str, str]]) -> str:
    """A paragraph of images, (what they show, file)."""
    return "\n".join(f"![{for_markdown(shown)}]({file})" for shown, file in files)


def page(markdown: str, directory: Path, title: str) -> str:
    """The HTML of a report whose images are named as they lie below a directory."""
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    body = body.replace("<table>", '<div class="table"><table>').replace("</table>", "</table></div>")
    body = re.sub(r"<p>(<img .*?)</p>", _figures, body, flags=re.DOTALL)
    body = re.sub(r'<img src="([^"]+)"', lambda found: f"<img {_embedded(directory / found[1])}", body)
    headings = re.findall(r"<h2>(.*?)</h2>", body)
    numbers = iter(range(len(headings)))
    body = re.sub("<h2>", lambda _: f'<h2 id="part-{next(numbers)}">', body)
    links = " · ".join(f'<a href="#part-{number}">{heading}</a>' for number, heading in enumerate(headings))
    body = body.replace("</h1>", f"</h1>\n<nav>{links}</nav>", 1)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )


def _figures(found: re.Match[str]) -> str:
    wide = " wide" if 'alt="Attention' in found[1] else ""
    return f'<div class="figures{wide}">{found[1]}</div>'


def _embedded(file: Path) -> str:
    content = file.read_bytes()
    width = int.from_bytes(content[16:20], "big")  # of a PNG's header
    data = base64.b64encode(content).decode("ascii")
    return f'width="{round(width * _SHOWN_DPI / DPI)}" src="data:image/png;base64,{data}"'
