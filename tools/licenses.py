"""Print docs/licenses.md: what runs with tinydistill, and under which license, as the installed packages say it."""

import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
HEAD = """# Licenses

tinydistill is under the [Apache License 2.0](https://www.apache.org/licenses/LICENSE-2.0). What pip installs with it
says the following of itself, in the versions of `constraints.txt` on Linux without a GPU (`make licenses`); torch for
NVIDIA brings NVIDIA's libraries, under terms of their own. Of the embedded teacher the package says MIT, and the model
in it, sentence-transformers/all-MiniLM-L6-v2, Apache-2.0.
"""
OWN_WORDS = {"BSD License": "BSD", "MIT License": "MIT", "Apache Software License": "Apache-2.0"}


def closure(lines: list[str]) -> dict[str, Distribution]:
    """The packages that requirements name, and all that these need here, as far as they are installed."""
    found: dict[str, Distribution] = {}
    seen, wanted = set(), [Requirement(line) for line in lines]
    while wanted:
        one = wanted.pop()
        name = canonicalize_name(one.name)
        for extra in {"", *one.extras} - {extra for known, extra in seen if known == name}:
            seen.add((name, extra))
            try:
                found[name] = distribution(name)
            except PackageNotFoundError:
                continue
            needed = [Requirement(line) for line in found[name].requires or ()]
            wanted += [more for more in needed if more.marker is None or more.marker.evaluate({"extra": extra})]
    return dict(sorted(found.items()))


def license_of(dist: Distribution) -> str:
    """An SPDX expression where there is one, else the classifiers, else the first line of the license."""
    meta = dist.metadata
    classified = [c.rpartition(" :: ")[2] for c in meta.get_all("Classifier") or () if c.startswith("License ::")]
    classified = [OWN_WORDS.get(one, one) for one in classified if one != "OSI Approved"]
    first = (meta["License"] or "").strip().splitlines()[:1]
    return meta["License-Expression"] or " and ".join(classified) or "".join(first) or "not said"


def table(packages: dict[str, Distribution]) -> str:
    """A row a package."""
    numbers = {name: dist.version.partition("+")[0] for name, dist in packages.items()}
    rows = [f"| {name} | {numbers[name]} | {license_of(dist)} |" for name, dist in packages.items()]
    return "\n".join(["| package | version | license |", "|---|---|---|", *rows])


def main() -> None:
    """Print the page."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    always = closure(project["dependencies"])
    shown = [HEAD, "## Always installed", table(always)]
    for extra, lines in project["optional-dependencies"].items():
        if extra not in ("dev", "docs"):
            more = {n: d for n, d in closure(lines).items() if n not in always}
            shown += [f"## With the extra `{extra}`", table(more)]
    print("\n\n".join(part.strip() for part in shown))


if __name__ == "__main__":
    main()
