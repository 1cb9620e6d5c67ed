"""The embedded corpus: docstrings of the standard library and of installed libraries, read without importing them."""

import ast
import contextlib
import gc
import hashlib
import importlib.metadata
import importlib.util
import inspect
import os
import platform
import re
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# tinydistill's dependencies and theirs, those with much to say
LIBRARIES = (
    "torch", "transformers", "datasets", "pytorch_lightning", "torchmetrics", "huggingface_hub", "numpy", "pandas",
    "sympy", "networkx", "pyarrow", "pydantic", "wandb", "fsspec", "aiohttp", "rich", "jinja2",
)  # fmt: skip
NOT_LIBRARY_TEXT = {"test", "tests", "testing", "site-packages", "dist-packages", "_vendor", "vendor", "__pycache__"}
MIN_DOCSTRING, MIN_MODULE, MAX_MODULE = 80, 200, 20_000  # characters
WORD = re.compile(r"[A-Za-z]{2}")
CODE = re.compile(r"\s*(>>>|\.\.\.) ")


class Module(NamedTuple):
    """Docstrings of one module in the order of its source; a long module comes in several parts."""

    library: str
    module: str
    docstrings: tuple[str, ...]

    @property
    def text(self) -> str:
        """All of them, a blank line between two."""
        return "\n\n".join(self.docstrings)


def read_modules(max_megabytes: float) -> Iterator[Module]:
    """Modules until `max_megabytes` (1e6 bytes of UTF-8) are reached: equal shares of every library, as far as it goes.

    Deterministic for given versions; no docstring comes twice. Libraries: "python", "pydoc" (Python's help topics) and
    those of LIBRARIES that are installed.
    """
    seen: set[str] = set()
    libraries = {name: _modules(name, root, seen) for name, root in _roots().items()}
    taken = dict.fromkeys(libraries, 0)
    while libraries and sum(taken.values()) < max_megabytes * 1e6:
        library = min(libraries, key=lambda name: taken[name])
        module = next(libraries[library], None)
        if module is None:
            del libraries[library]
        else:
            taken[library] += len(module.text.encode())
            yield module


def versions() -> str:
    """What the docstrings depend on: Python and the installed libraries, with their versions."""
    return ", ".join([f"python {platform.python_version()}", *(f"{n} {v}" for n, v in _installed().items())])


def _installed() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _roots() -> dict[str, Path]:
    stdlib = Path(sysconfig.get_path("stdlib"))
    roots = {"pydoc": stdlib / "pydoc_data", "python": stdlib}
    for name in _installed():
        spec = importlib.util.find_spec(name)  # of a top-level name: finds without importing
        if spec is not None and spec.submodule_search_locations:
            roots[name] = Path(spec.submodule_search_locations[0])
    return roots


def _modules(library: str, root: Path, seen: set[str]) -> Iterator[Module]:
    package = () if library == "python" else (root.name,)
    modules = {(*package, *path.relative_to(root).with_suffix("").parts): path for path in _python_files(root)}
    names = {".".join(parts).removesuffix(".__init__"): path for parts, path in modules.items()}
    # in the order of the names' hashes, any beginning is a fair sample of the library
    for name in sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest()):
        new = [text for text in _docstrings(names[name]) if text not in seen]
        seen.update(new)
        for part in _parts(new):
            yield Module(library, name, part)


def _parts(texts: list[str]) -> Iterator[tuple[str, ...]]:
    part: list[str] = []
    size = 0
    for text in texts:
        if part and size + len(text) > MAX_MODULE:
            yield tuple(part)
            part, size = [], 0
        part.append(text)
        size += len(text)
    if part and size >= MIN_MODULE:
        yield tuple(part)


def _python_files(root: Path) -> Iterator[Path]:
    for directory, subdirectories, names in os.walk(root):
        subdirectories[:] = sorted(set(subdirectories) - NOT_LIBRARY_TEXT)
        if root.name != "pydoc_data":
            subdirectories[:] = [name for name in subdirectories if name != "pydoc_data"]
        yield from (Path(directory, name) for name in sorted(names) if name.endswith(".py"))


def _docstrings(path: Path) -> list[str]:
    """Cleaned docstrings of a source file, or the topics of pydoc's; nothing for a file that isn't Python."""
    source = path.read_bytes()
    if b'"""' not in source and b"'''" not in source and path.name != "topics.py":
        return []
    gc_was_on = gc.isenabled()
    gc.disable()  # a syntax tree is large and free of cycles: collecting amid parsing doubles the time
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in other people's strings
            tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return []
    finally:
        if gc_was_on:
            gc.enable()
    if path.name == "topics.py" and path.parent.name == "pydoc_data":
        dicts = [node.value for node in tree.body if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)]
        values = [value.value for node in dicts for value in node.values if isinstance(value, ast.Constant)]
        texts = [value for value in values if isinstance(value, str)]
    else:
        texts = [ast.get_docstring(node, clean=False) or "" for node in _definitions(tree)]
    return [text for text in dict.fromkeys(map(_prose, texts)) if len(text) >= MIN_DOCSTRING]


def _definitions(node: ast.AST) -> Iterator[ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    """Whatever can have a docstring, in the order of the source. ast.walk visits expressions too: twice the time."""
    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        yield node
    for name in ("body", "handlers", "orelse", "finalbody"):
        for child in getattr(node, name, ()):
            yield from _definitions(child)


def _prose(docstring: str) -> str:
    """The docstring without indentation, rulers, numbers printed by examples, and the examples' code."""
    lines = inspect.cleandoc(docstring).splitlines()
    kept = [line for line in lines if not line.strip() or (WORD.search(line) and not CODE.match(line))]
    return "\n".join(kept).strip()
