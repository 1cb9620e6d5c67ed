"""Every command that the documentation shows composes to a configuration that passes the checks."""

import re
import shlex
from pathlib import Path

import pytest

from tinydistill.config.compose import composed

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "conf/hydra/help/tinydistill.yaml"]


def commands_in(text: str) -> list[str]:
    """The arguments in lines that begin with the program's name, and in the same in backquotes, in their order."""
    text = re.sub(r"\\\n *", "", text)
    lines = re.findall(r"^ *(?:\$ )?(?:\.venv/bin/)?(?:python -m )?tinydistill( [a-z-].*=.*)$", text, re.MULTILINE)
    quoted = re.findall(r"`(?:python -m )?tinydistill( [^`]*)`", text)
    found = [re.split(r"\s{2,}|\s#", line.strip())[0] for line in lines + quoted]
    return [command for command in dict.fromkeys(found) if "=" in command and "[GROUP" not in command]


def commands_on(page: Path) -> list[str]:
    """Those of a page."""
    return commands_in(page.read_text(encoding="utf-8"))


def commands() -> list[str]:
    """Those of all pages."""
    return sorted({command for page in PAGES for command in commands_on(page)})


@pytest.mark.parametrize("command", commands())
def test_a_documented_command_is_one_that_works(command):
    for plugin, word in (
        ("joblib_launcher", "joblib"),
        ("submitit_launcher", "submitit"),
        ("ray_launcher", "launcher=ray"),
        ("optuna_sweeper", "optuna"),
    ):
        if word in command:
            pytest.importorskip(f"hydra_plugins.hydra_{plugin}")
    if "--config-dir=" in command:
        pytest.skip("the files are the reader's own")
    words = [word for word in shlex.split(command) if not word.startswith("-")]
    assert composed(word if "[" in word else word.split(",")[0] for word in words)


def test_the_documentation_shows_commands():
    assert len(commands()) > 8


def test_links_between_pages_lead_somewhere():
    for page in PAGES[:-1]:
        for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
