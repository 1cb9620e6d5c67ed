"""stage=search from the command line: shapes are solved, timed and trained, and one of them is chosen."""

import json
import re
from pathlib import Path

import pytest

from tests.stages.conftest import changed, state_rows
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
    assert all(one["ms"] > 0 and one["alike"] > 0.3 and one["bytes"] > 0 for one in found["candidates"])
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


@pytest.fixture
def words_of_rows(tmp_path) -> dict[str, str]:
    """A corpus of the rows' words, which are a part of the teacher's."""
    file = tmp_path / "corpus.txt"
    file.write_text("\n\n".join(text for text, *_ in state_rows(100, 4)) + "\n")
    return {"corpus": "files", "corpus__paths": f"[{file}]"}


def test_a_shape_may_have_its_teachers_vocabulary_or_the_one_that_is_used(search, words_of_rows, tmp_path):
    shapes = {"search__num_layers": "[1]", "search__hidden_size": "[8]", "search__vocabulary": "[teacher,corpus]"}
    code, out, err = search(**words_of_rows, **shapes, search__retention="0.5", search__prefer="smallest")
    assert code == 0, err
    found = result(tmp_path)
    whole, cut = found["candidates"]
    assert (whole["name"], cut["name"]) == ("1x8", "1x8-corpus")
    assert whole["parameters"] - cut["parameters"] == 8 * lacking(found)
    assert cut["bytes"] < whole["bytes"]
    assert found["chosen"]["name"] == "1x8-corpus"
    assert "keeps 13 of 29 tokens" in out


def lacking(found: dict) -> int:
    """How many tokens the chosen model lacks of the teacher's."""
    vocabulary = json.loads((Path(found["chosen"]["path"]) / "result.json").read_text())["vocabulary"]
    return vocabulary["of"] - vocabulary["tokens"]


@pytest.mark.slow
def test_every_form_of_a_shape_is_a_candidate_and_the_chosen_one_is_named(search, tmp_path):
    forms = {"search__runtime": "[pytorch,onnx_int8]", "search__num_layers": "[1]", "search__hidden_size": "[8]"}
    code, out, err = search(**forms, search__retention="0.5", search__prefer="smallest")
    assert code == 0, err
    found = result(tmp_path)
    assert [(one["name"], one["form"]) for one in found["candidates"]] == [("1x8", "pytorch"), ("1x8", "onnx_int8")]
    in_torch, int8 = found["candidates"]
    assert in_torch["bytes"] != int8["bytes"]
    assert in_torch["trained"] == int8["trained"] == found["score"]
    assert in_torch["ms"] * in_torch["speedup"] == pytest.approx(int8["ms"] * int8["speedup"])  # the teacher's
    assert out.count("training 1x8") == 1
    chosen = found["chosen"]
    assert chosen["bytes"] == min(in_torch["bytes"], int8["bytes"])
    formats = {"pytorch": "[]", "onnx_int8": "[onnx_int8]"}[chosen["form"]]
    assert f"chosen: 1x8, {chosen['form']}: " in out
    assert f"export.path={chosen['path']} 'export.formats={formats}'" in out


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
        ({"search__vocabulary": "[]"}, "search.vocabulary is empty"),
        ({"search__runtime": "[]"}, "search.runtime is empty"),
        ({"search__runtime": "[onnx,int8]"}, "search.runtime=int8 is not one of onnx_int8, onnx, openvino, pytorch"),
        ({"search__vocabulary": "[corpora]"}, "search.vocabulary=corpora is not one of teacher, corpus"),
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
