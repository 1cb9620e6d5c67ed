"""The packages that a page answers with in a browser: pinned, fetched from the npm registry once, and checked.

No Node is needed: a package is one archive at a fixed address of the registry. An archive that lies in the cache
already, as `npm pack` makes it, is taken from there.
"""

import base64
import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from io import BytesIO
from pathlib import Path
from urllib.request import urlopen

import fsspec

from tinydistill.artifacts.files import built_once, digest
from tinydistill.console import say
from tinydistill.errors import InputError

_PATIENCE = 30.0  # seconds without a byte


@dataclass(frozen=True)
class Package:
    """A package of the registry: its SHA-512 as lock files have it, and its files that are taken, by their new names.

    Scripts are renamed to .js: there are static servers that know no .mjs.
    """

    name: str
    version: str
    integrity: str
    license: str
    files: Mapping[str, str]

    @property
    def archive(self) -> str:
        """The file's name at the registry."""
        return f"{self.name.rpartition('/')[2]}-{self.version}.tgz"

    @property
    def packed(self) -> str:
        """The file's name as `npm pack` writes it."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"

    def matches(self, content: bytes) -> bool:
        """Whether these are the bytes that are pinned."""
        return f"sha512-{base64.b64encode(hashlib.sha512(content).digest()).decode()}" == self.integrity


PACKAGES = (
    Package(
        "@huggingface/tokenizers",
        "0.2.0",
        "sha512-LidMHe1FpcSYH4vcSjXooda34pC0M8m1gmDOv7SQi6Iv+ib1zX7J3sHBCC9/3FPCkn2k1b55FneVqMRxrr99pg==",
        "Apache-2.0",
        {"dist/tokenizers.min.mjs": "tokenizers.js", "LICENSE": "tokenizers.LICENSE"},
    ),
    Package(
        "onnxruntime-web",
        "1.30.0",
        "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
        "MIT",
        {"dist/ort.wasm.bundle.min.mjs": "ort.js", "dist/ort-wasm-simd-threaded.wasm": "ort.wasm"},
    ),
)
"""transformers.js' own tokenizers, and the processor's part of the runtime that it computes with."""


def fetched(cache: Path) -> Path:
    """A directory with the files of all packages, which is made once below a cache.

    Raises InputError where a package isn't in the cache and can't be fetched, or isn't what is pinned.
    """
    wanted = [(one.name, one.integrity, dict(one.files)) for one in PACKAGES]

    def build(directory: Path) -> None:
        for package in PACKAGES:
            _unpack(package, _archive(package, cache), directory)

    return built_once(cache / f"page-{digest(wanted)}", build)


def _archive(package: Package, cache: Path) -> bytes:
    file = cache / package.packed
    if file.is_file():
        content = file.read_bytes()
        if not package.matches(content):
            raise InputError(f"{file} isn't {package.name} {package.version} as it was published", "remove it")
        return content
    address = f"{_registry(package, cache)}/{package.name}/-/{package.archive}"
    say(f"fetching {package.name} {package.version} for the page")
    try:
        with urlopen(address, timeout=_PATIENCE) as answer:
            content = answer.read()
    except (HTTPException, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error  # urllib wraps its own
        raise InputError(f"{address} can't be fetched ({reason})", _by_hand(package, cache)) from error
    if not package.matches(content):
        raise InputError(
            f"{address} isn't {package.name} {package.version} as it was published (its SHA-512 is another)",
            "look at what answers there, or set NPM_CONFIG_REGISTRY to another registry",
        )
    return content


def _registry(package: Package, cache: Path) -> str:
    """The address of the registry that npm is set to use; without npm, NPM_CONFIG_REGISTRY says it."""
    named = os.environ.get("NPM_CONFIG_REGISTRY")
    if not named and (npm := shutil.which("npm")):
        asked = subprocess.run([npm, "config", "get", "registry"], capture_output=True, text=True, check=False)
        named = asked.stdout.strip()
    if not named or named == "undefined":
        raise InputError(
            f"a page needs {package.name} {package.version} of the npm registry, and no npm says where that is",
            f"set NPM_CONFIG_REGISTRY to its address, or {_by_hand(package, cache)}",
        )
    return named.rstrip("/")


def _by_hand(package: Package, cache: Path) -> str:
    return (
        f"type 'npm pack {package.name}@{package.version}' where there is a network and put {package.packed} "
        f"into {cache}, or go without: {{write_page.page}}=false"
    )


def _unpack(package: Package, archive: bytes, directory: Path) -> None:
    files = fsspec.filesystem("tar", fo=BytesIO(archive), compression="gzip")
    for inside, name in package.files.items():
        (directory / name).write_bytes(files.cat_file(f"package/{inside}"))
