"""The notebooks run from top to bottom, with a tiny model in the place of their parameters."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.test_api import SMALL

EXAMPLES = Path(__file__).parents[1] / "examples"
Names = dict[str, Any]


def own_rows(names: Names) -> None:
    """What it has made."""
    assert names["result"].score is not None
    assert names["trainer"].global_step == 10


def new_loss(names: Names) -> None:
    """Every run by layer, as numbers and as bars."""
    table = names["table"]
    assert table.shape == (2, 4)
    assert (table > 0).all(axis=None)
    assert table.T.drop_duplicates().shape == (4, 2)  # every run was trained on something else
    assert len(names["axes"].patches) == table.size


NOTEBOOKS: dict[str, tuple[Names, Callable[[Names], None]]] = {
    "own_rows": ({"MODEL": "TEACHER", "ROWS": 320, "STUDENT": "tiny3", "OVERRIDES": SMALL}, own_rows),
    "new_loss": ({"TEACHER": "TEACHER", "LAYERS": 2, "WIDTH": 16, "MEGABYTES": 0.2, "STEPS": 3}, new_loss),
}


def cells(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((EXAMPLES / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    return found


def test_every_notebook_is_run_here():
    assert {file.stem for file in EXAMPLES.glob("*.ipynb")} == set(NOTEBOOKS)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_is_stored_without_outputs(name):
    assert not any(cell.get("outputs") for cell in cells(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_runs_from_top_to_bottom(name, teacher_dir, text_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    given, check = NOTEBOOKS[name]
    names = {key: str(teacher_dir) if value == "TEACHER" else value for key, value in given.items()}
    if "OVERRIDES" in names:
        names["OVERRIDES"] = [*names["OVERRIDES"], "corpus=files", f"corpus.paths=['{text_file}']"]
    for cell in cells(name):
        if cell["cell_type"] != "code":
            continue
        code = compile("".join(cell["source"]), f"{name}.ipynb", "exec")
        if "parameters" in cell["metadata"].get("tags", []):
            assert set(code.co_names) == set(names)
            continue
        exec(code, names)  # what a kernel does
    check(names)
