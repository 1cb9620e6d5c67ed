"""Packages for a page: fetched once, checked by their hashes, and one clear line where they can't be had."""

import base64
import hashlib
import io
import re
import shutil
import tarfile
from pathlib import Path

import pytest

from tests.chromium import served
from tinydistill.errors import InputError
from tinydistill.export import web_packages
from tinydistill.export.web_packages import Package, fetched


def archive(**files: str) -> bytes:
    """A package as a registry has it."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content.encode()))
    return made.getvalue()


CONTENT = archive(script="export const one = 1;", other="not wanted")


def pinned(content: bytes) -> Package:
    integrity = f"sha512-{base64.b64encode(hashlib.sha512(content).digest()).decode()}"
    return Package("@somebody/thing", "1.2.3", integrity, "MIT", {"script": "thing.js"})


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """A registry on this machine that has the package; the place of its archive."""
    file = tmp_path / "registry" / "@somebody" / "thing" / "-" / "thing-1.2.3.tgz"
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    monkeypatch.setattr(web_packages, "PACKAGES", (pinned(CONTENT),))
    with served(tmp_path / "registry") as address:
        monkeypatch.setenv("NPM_CONFIG_REGISTRY", f"{address}/")
        yield file


@pytest.fixture
def no_network(monkeypatch):
    monkeypatch.setattr(web_packages, "urlopen", lambda *_, **__: pytest.fail("the network was asked"))


def test_a_package_is_fetched_and_its_wanted_files_alone_are_kept(registry, tmp_path):
    directory = fetched(tmp_path / "cache")
    assert (directory / "thing.js").read_text() == "export const one = 1;"
    assert {file.name for file in directory.iterdir()} == {"thing.js", "checksums.json"}


def test_it_is_fetched_once(registry, tmp_path):
    first = fetched(tmp_path / "cache")
    registry.unlink()
    assert fetched(tmp_path / "cache") == first


def test_a_damaged_copy_is_fetched_anew(registry, tmp_path):
    (fetched(tmp_path / "cache") / "thing.js").write_text("export const one = 2;")
    assert (fetched(tmp_path / "cache") / "thing.js").read_text() == "export const one = 1;"


def test_an_archive_in_the_cache_needs_no_network(tmp_path, monkeypatch, no_network):
    monkeypatch.setattr(web_packages, "PACKAGES", (pinned(CONTENT),))
    (tmp_path / "somebody-thing-1.2.3.tgz").write_bytes(CONTENT)
    assert (fetched(tmp_path) / "thing.js").is_file()


@pytest.mark.parametrize("placed", [True, False], ids=["in the cache", "at the registry"])
def test_other_bytes_than_the_pinned_ones_are_refused(registry, tmp_path, placed):
    (tmp_path / "cache").mkdir()
    file = tmp_path / "cache" / "somebody-thing-1.2.3.tgz" if placed else registry
    file.write_bytes(archive(script="export const one = 'evil';"))
    with pytest.raises(InputError, match=r"isn't @somebody/thing 1\.2\.3 as it was published"):
        fetched(tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("thing.js"))


def test_without_a_network_a_line_says_how_to_do_without(tmp_path, monkeypatch):
    monkeypatch.setattr(web_packages, "PACKAGES", (pinned(CONTENT),))
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://127.0.0.1:9")
    by_hand = (
        r"can't be fetched \(.*refused\): type 'npm pack @somebody/thing@1\.2\.3' where there is a network and put "
        rf"somebody-thing-1\.2\.3\.tgz into {re.escape(str(tmp_path))}, or go without: page=false$"
    )
    with pytest.raises(InputError, match=by_hand):
        fetched(tmp_path)


def test_without_npm_a_line_asks_for_the_registry(tmp_path, monkeypatch, no_network):
    monkeypatch.delenv("NPM_CONFIG_REGISTRY", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(InputError, match="no npm says where that is: set NPM_CONFIG_REGISTRY to its address, or type"):
        fetched(tmp_path)


def test_npm_is_asked_for_the_registry_where_there_is_one(registry, tmp_path, monkeypatch):
    program = tmp_path / "bin" / "npm"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n[ \"$*\" = 'config get registry' ] && echo {Path(registry.parents[3]).as_uri()}/\n")
    program.chmod(0o755)
    monkeypatch.delenv("NPM_CONFIG_REGISTRY")
    monkeypatch.setenv("PATH", str(program.parent))
    assert (fetched(tmp_path / "cache") / "thing.js").is_file()


def test_every_pinned_package_has_a_version_and_a_whole_hash():
    for package in web_packages.PACKAGES:
        algorithm, _, value = package.integrity.partition("-")
        assert (algorithm, len(base64.b64decode(value, validate=True))) == ("sha512", 64)
        assert package.archive.endswith(f"-{package.version}.tgz")
