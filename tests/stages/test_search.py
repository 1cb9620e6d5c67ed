"""stage=search from the command line: shapes are solved, timed and trained, and one of them is chosen."""

import json
import re
from pathlib import Path

import pytest

from tests.stages.conftest import changed
from tinydistill.report.frontier import Target


@pytest.fixture
def search(command, distillation_arguments):
    """Runs the search with some arguments changed; returns (exit code, stdout, stderr)."""
    quick = {
        **distillation_arguments,
        "stage": "search",
        "student.path": None,
        "student.num_heads": "4",
        "search.num_layers": "[1,2]",
        "search.hidden_size": "[8,16]",
        "search.length": "8",
        "search.seconds": "0.01",
        "search.train": "2",
        "search.runtime": "pytorch",
    }
    return lambda **changes: command(changed(quick, **changes))


def result(tmp_path: Path) -> dict:
    (file,) = tmp_path.glob("outputs/search/*/result.json")
    return json.loads(file.read_text())


@pytest.mark.slow
def test_without_training_all_shapes_are_known_and_the_best_are_trained(search, tmp_path):
    code, out, err = search(search__runtime="onnx_int8")
    assert code == 0, err
    found = result(tmp_path)
    names = {"1x8", "1x16", "2x8", "2x16"}
    assert {one["name"] for one in found["candidates"]} == names
    assert all(one["ms"] > 0 and one["solved"] > 0.3 and one["bytes"] > 0 for one in found["candidates"])
    trained = [one for one in found["candidates"] if one["trained"] is not None]
    assert len(trained) == 2
    assert found["chosen"]["trained"] == max(one["trained"] for one in trained) == found["score"]
    assert f"export.path={found['chosen']['path']}" in out
    assert (Path(found["chosen"]["path"]) / "model.safetensors").is_file()
    assert list(tmp_path.glob("outputs/search/*/frontier.png"))
    code, again, err = search(search__runtime="onnx_int8")
    assert code == 0, err
    assert again.count("finished before with the same settings") == 4  # solved, and not timed again
    assert result(tmp_path) == found


def test_a_share_that_no_shape_keeps_is_said_with_the_most_that_there_is(search, monkeypatch, tmp_path):
    monkeypatch.setattr(Target, "reached", lambda *_: False)
    code, out, err = search(search__retention="0.99", search__num_layers="[1]")
    assert code == 0, err
    assert result(tmp_path)["chosen"] is None
    assert "none of the shapes that were trained keeps 99.0% of its teacher: the most is " in out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"search__target_ms": "0.000001", "search__num_layers": "[1]"},
            "takes .* ms for an answer, longer than search.target_ms=1e-06: ask for more time",
        ),
        ({"search__hidden_size": "[10]"}, "a width of 10 can't be divided among 4 attention heads"),
        ({"search__length": "100"}, "search.length=100 is too long: the models end at 64"),
        ({"search__num_layers": "[]"}, "search.num_layers is empty"),
        ({"search__feed_forward": "[0]"}, "search.feed_forward holds 0"),
        ({"search__retention": "98"}, "search.retention=98 is a share: 0.98 for 98%"),
        ({"student__path": "somewhere"}, "student.path has a shape of its own"),
    ],
)
def test_what_cannot_be_asked_for_is_one_clear_line(search, tmp_path, changes, message):
    code, _, err = search(**changes)
    assert (code, err.count("\n")) == (2, 1)
    assert re.search(message, err), err
    assert not list(tmp_path.glob("outputs/search/*/result.json"))
