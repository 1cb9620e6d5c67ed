"""llms.txt lists the pages of the site in its order, and its links lead somewhere in both places where it stands."""

import importlib.util
import re

import yaml

from tests.test_readme import ROOT

LLMS = (ROOT / "llms.txt").read_text(encoding="utf-8")
LINK = re.compile(r"^- \[([^\]]+)\]\(([^)]+)\): \S.*$", re.MULTILINE)

_spec = importlib.util.spec_from_file_location("site_hook", ROOT / "docs" / "site.py")
hook = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(hook)


def test_it_has_the_shape_that_llmstxt_org_describes():
    title, summary, about, *sections = re.split(r"\n\n(?=>|## |\w)", LLMS.strip())
    assert title == "# tinydistill"
    assert summary.startswith("> ")
    assert "\n" not in summary
    assert not about.startswith("#")
    for section in sections:
        heading, empty, *lines = section.splitlines()
        assert heading.startswith("## ")
        assert not empty
        assert all(LINK.fullmatch(line) for line in lines), lines
    assert sections[-1].startswith("## Optional")  # the format's word for what may be left out


def test_it_lists_every_page_once_with_its_name_in_the_order_of_the_site():
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    pages = []
    for entry in nav:
        for name, target in entry.items():
            pages += [(name, target)] if isinstance(target, str) else [pair for one in target for pair in one.items()]
    assert LINK.findall(hook.from_root("llms.txt")) == pages


def test_its_links_lead_somewhere():
    for _, target in LINK.findall(LLMS):
        assert (ROOT / target).is_file(), target
    for _, target in LINK.findall(hook.from_root("llms.txt")):
        assert (ROOT / "docs" / target).is_file(), target
