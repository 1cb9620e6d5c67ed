"""The notebook runs from top to bottom, with a tiny model in the place of its parameters."""

import json
from pathlib import Path

import pytest

from tests.test_api import SMALL

NOTEBOOK = Path(__file__).parents[1] / "examples" / "own_rows.ipynb"


def code_cells() -> list[tuple[str, list[str]]]:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return [
        ("".join(cell["source"]), cell["metadata"].get("tags", [])) for cell in cells if cell["cell_type"] == "code"
    ]


def test_it_is_stored_without_outputs():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert not any(cell.get("outputs") for cell in cells)


@pytest.mark.slow
def test_it_runs_from_top_to_bottom(teacher_dir, text_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    overrides = [*SMALL, "corpus=files", f"corpus.paths=['{text_file}']"]
    names: dict[str, object] = {"MODEL": str(teacher_dir), "ROWS": 320, "STUDENT": "tiny3", "OVERRIDES": overrides}
    for source, tags in code_cells():
        if "parameters" in tags:
            assert set(compile(source, str(NOTEBOOK), "exec").co_names) == set(names)
            continue
        exec(compile(source, str(NOTEBOOK), "exec"), names)  # what a kernel does
    assert names["result"].score is not None
    assert names["trainer"].global_step == 10
