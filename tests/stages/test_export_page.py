"""stage=export with export.page=true: the page in the artifact, and what stops it before any work."""

import json

import pytest

from tests.stages.conftest import animal_rows, write_csv
from tests.stages.test_export import QUICK, make_model
from tinydistill.artifacts.files import damage
from tinydistill.export import web_packages
from tinydistill.export.web_packages import Package
from tinydistill.stages import export


@pytest.fixture
def run(command, task_arguments):
    """Runs the stage with a page and some arguments changed; returns (exit code, stdout, stderr)."""
    fixed = {**task_arguments, **QUICK, "export.page": "true", "export.latency.lengths": "[4]"}
    return lambda **changes: command({**fixed, **{key.replace("__", "."): value for key, value in changes.items()}})


@pytest.fixture
def no_packages(monkeypatch, tmp_path):
    """Stands for the packages, of which nothing is read here."""
    monkeypatch.setattr(web_packages, "PACKAGES", (Package("one", "1", "sha512-", "MIT", {"a": "ort.js"}),))
    (tmp_path / "ort.js").write_text("")
    monkeypatch.setattr(web_packages, "fetched", lambda cache: tmp_path)


@pytest.mark.parametrize("columns", ["one text", pytest.param("pairs", marks=pytest.mark.slow)])
def test_the_page_lies_beside_the_model_and_is_sealed_with_it(run, no_packages, tokenizer, tmp_path, columns):
    rows = animal_rows(20, 3)
    changes, header = {}, ("text", "label")
    if columns == "pairs":
        rows, header = [(text, text, label) for text, label in rows], ("text", "other", "label")
        changes = {"task__text_pair": "other"}
    files = {name: write_csv(tmp_path / f"{name}.csv", rows, header=header) for name in ("train", "validation")}
    changes |= {f"task__{name}": str(file) for name, file in files.items()}
    path = make_model(tokenizer, tmp_path / "model")
    code, _, err = run(export__path=str(path), export__page_rows="7", export__license="mit", **changes)
    assert code == 0, err
    made = tmp_path / "outputs" / "made"
    settings = json.loads((made / "page" / "page.json").read_text())
    assert len(settings["rows"]) == 7
    assert {len(row["texts"]) for row in settings["rows"]} == {2 if columns == "pairs" else 1}
    assert (made / "page" / settings["model"]).read_bytes() == (made / settings["model"].partition("/")[2]).read_bytes()
    assert damage(made) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"export__formats": "[onnx]"}, "export.page=true answers with int8: add onnx_int8 to export.formats"),
        ({"export__page_rows": "-1"}, "export.page_rows"),
        ({}, "where there is a network and put huggingface-tokenizers-0.2.0.tgz into "),
    ],
    ids=["without int8", "rows below zero", "without a network"],
)
def test_what_a_page_lacks_is_one_line_before_any_work(run, tokenizer, tmp_path, monkeypatch, changes, message):
    monkeypatch.setattr(export, "save_model", lambda *_: pytest.fail("it was too late"))
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://127.0.0.1:9")
    code, _, err = run(export__path=str(make_model(tokenizer, tmp_path / "model")), **changes)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert not list((tmp_path / "outputs").glob("made*"))
