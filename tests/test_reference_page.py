"""Every public name stands in the API reference, with an example that there is and that uses it."""

import re

import pytest

import tinydistill as td
from tests.test_readme import ROOT

PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| \[`(\w+)`\](.*)$", PAGE, re.MULTILINE))


def home(name: str) -> str:
    """Where a public name is defined, as mkdocstrings asks for it."""
    thing = getattr(td, name)
    return str(thing.__name__) if name in ("losses", "mapping") else f"{thing.__module__}.{thing.__qualname__}"


def section(link: str) -> str:
    """What stands under a heading that is linked to as PAGE.md#ANCHOR."""
    page, anchor = link.split("#")
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for heading, body in re.findall(r"^## (.*)\n((?:(?!^## ).*\n?)*)", text, re.MULTILINE):
        if re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") == anchor:
            return str(body)
    raise AssertionError(f"docs/api.md links to {link}, which isn't there")


def test_the_page_has_the_public_names_and_no_others():
    assert set(ROWS) == set(td.__all__)


@pytest.mark.parametrize("name", td.__all__)
def test_a_public_name_has_its_reference_and_an_example_that_uses_it(name):
    assert f"[{home(name)}]" in ROWS[name]
    assert f"\n::: {home(name)}\n" in PAGE
    links = re.findall(r"\]\(([^)]+)\)", ROWS[name])
    assert links
    for link in links:
        body = section(link)
        assert re.search(rf"\b{name}\b", body), f"{link} doesn't use {name}"
        assert "```python" in body, f"{link} shows no program"
