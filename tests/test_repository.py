"""The files that hosts of repositories look for are whole, and say what the package says."""

import re

import pytest
import yaml

import tinydistill as td
from tests.test_readme import ROOT

GITHUB = ROOT / ".github"


def test_the_citation_is_of_this_version_and_of_the_paper():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (cited["title"], cited["version"], cited["license"]) == ("tinydistill", td.__version__, "Apache-2.0")
    assert cited["authors"] == [{"name": "tinydistill contributors"}]
    (paper,) = cited["references"]
    assert paper["title"] == "TinyBERT: Distilling BERT for Natural Language Understanding"


def test_links_of_the_security_policy_lead_somewhere():
    links = re.findall(r"\]\((?!http)([^)#]+)", (ROOT / "SECURITY.md").read_text(encoding="utf-8"))
    assert "docs/security.md" in links
    assert all((ROOT / link).is_file() for link in links)


@pytest.mark.parametrize("name", ["bug", "feature", "question"])
def test_an_issue_form_asks_something(name):
    form = yaml.safe_load((GITHUB / "ISSUE_TEMPLATE" / f"{name}.yml").read_text(encoding="utf-8"))
    assert form["name"]
    assert form["description"]
    asked = [part for part in form["body"] if part["type"] != "markdown"]
    assert any(part["validations"]["required"] for part in asked if "validations" in part)
    assert len({part["id"] for part in asked}) == len(asked)


def test_files_that_templates_name_are_there():
    for file in [*GITHUB.glob("ISSUE_TEMPLATE/*.yml"), GITHUB / "PULL_REQUEST_TEMPLATE.md"]:
        for name in re.findall(r"[\w/]+\.(?:md|cff)\b", file.read_text(encoding="utf-8")):
            assert (ROOT / name).is_file(), f"{file.name} names {name}"
