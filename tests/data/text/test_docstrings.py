import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from tinydistill.data.text import docstrings
from tinydistill.data.text.sources import DocstringsCorpus

SOURCE = '''
"""The module says what it is for, in a line that is long enough to be kept, because short ones are dropped."""

class Thing:
    """A thing has a description of more than eighty characters, with an example of how it is made and used.

    Parameters
    ----------
    >>> Thing()
    1234
    """

    def short(self):
        """Too short."""

    def long(self):
        """A method comes after its class and before what follows that class, as in the source, and is kept too."""

if True:
    async def function():
        """The module says what it is for, in a line that is long enough to be kept, because short ones are dropped."""
'''


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "thinglib"
    (root / "tests").mkdir(parents=True)
    (root / "__init__.py").write_text(SOURCE)
    (root / "tests" / "test_it.py").write_text(SOURCE.replace("module", "test"))
    (root / "python2.py").write_text('"""A syntax error is passed over."""\nprint "hello"\n')
    monkeypatch.setattr(docstrings, "_roots", lambda: {"thinglib": root})
    return root


@pytest.mark.usefixtures("library")
def test_docstrings_come_in_source_order_cleaned_and_once() -> None:
    (module,) = docstrings.read_modules(6)
    assert (module.library, module.module) == ("thinglib", "thinglib")
    assert [text.split()[0] + " " + text.split()[1] for text in module.docstrings] == [
        "The module",
        "A thing",
        "A method",
    ]
    assert module.docstrings[1].endswith("used.\n\nParameters")


@pytest.mark.usefixtures("library")
def test_long_modules_come_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docstrings, "MAX_MODULE", 220)
    monkeypatch.setattr(docstrings, "MIN_MODULE", 0)
    assert [len(module.docstrings) for module in docstrings.read_modules(6)] == [2, 1]


def test_the_corpus_is_the_same_every_time_mixes_libraries_and_keeps_to_its_size() -> None:
    first, second = (list(docstrings.read_modules(0.25)) for _ in range(2))
    assert first == second
    sizes: dict[str, int] = {}
    for module in first:
        sizes[module.library] = sizes.get(module.library, 0) + len(module.text.encode())
    assert {"python", "pydoc", "torch", "numpy", "transformers"} <= sizes.keys()
    assert 0.25e6 <= sum(sizes.values()) < 0.25e6 + docstrings.MAX_MODULE + 10_000
    pieces = [text for module in first for text in module.docstrings]
    assert len(pieces) == len(set(pieces))


def test_help_topics_are_read() -> None:
    only = {"pydoc": docstrings._roots()["pydoc"]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(docstrings, "_roots", lambda: only)
        text = "".join(module.text for module in islice(docstrings.read_modules(6), 50))
    assert 'The "assert" statement' in text or "assert statement" in text


def test_identity_names_versions_and_size() -> None:
    import torch

    identity = DocstringsCorpus(0.5).identity()
    assert f"torch {torch.__version__}" in identity
    assert "0.5 MB" in identity
    assert identity != DocstringsCorpus(0.6).identity()


def test_no_library_is_imported_to_be_read() -> None:
    code = (
        "import sys; from tinydistill.data.text.docstrings import read_modules; list(read_modules(0.1)); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'transformers', 'wandb')))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
