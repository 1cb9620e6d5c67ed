"""stage=general from the command line, on a tiny teacher and a small text file."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModel, AutoTokenizer

from tests.conftest import bert
from tests.stages.conftest import Cut, changed
from tinydistill.distillation.layer_distiller import LayerDistiller
from tinydistill.models.students import new_student, student_config


@pytest.fixture
def run(arguments, command):
    """Runs the stage with some arguments changed; returns (exit code, stdout, stderr)."""
    return lambda **changes: command(changed(arguments, **changes))


@pytest.fixture
def output(arguments) -> Path:
    return Path(arguments["output_dir"])


def test_a_student_is_published_that_loads_and_has_learned(run, output):
    code, out, _ = run()
    assert code == 0
    assert "learns from teacher" in out
    assert "layer 2                  layer 4" in out
    assert out.rstrip().endswith(f"artifact: {output}")
    model, info = AutoModel.from_pretrained(output, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert model.config.hidden_size == 16
    assert AutoTokenizer.from_pretrained(output)("the cat")["input_ids"]
    result = json.loads((output / "result.json").read_text())
    assert result["steps"] == 12
    assert result["mapping"] == [2, 4]
    losses = [(row["loss"], row["student_layer"], row["teacher_layer"]) for row in result["layers"]]
    assert losses == [("embedding", 0, 0), ("hidden", 1, 2), ("hidden", 2, 4), ("attention", 1, 2), ("attention", 2, 4)]
    for row in result["layers"][:3]:
        assert row["floor"] <= row["unexplained"] < 1.0
    provenance = json.loads((output / "provenance.json").read_text())
    assert provenance["configuration"]["general"]["max_steps"] == 12
    assert list((output / "logs").rglob("metrics.csv"))


def test_nothing_of_teacher_or_projections_is_in_the_product(run, output):
    run()
    weights = load_file(output / "model.safetensors")
    assert weights.keys() == AutoModel.from_pretrained(output).state_dict().keys()
    assert not list(output.rglob("*.ckpt"))


def test_the_same_settings_again_return_the_finished_result(run, output):
    _, first, _ = run()
    before = (output / "model.safetensors").stat().st_mtime_ns
    code, out, _ = run()
    assert code == 0
    assert "finished before with the same settings" in out
    assert out.splitlines()[-3:] == first.splitlines()[-3:]
    assert (output / "model.safetensors").stat().st_mtime_ns == before


def test_other_settings_are_refused_with_the_difference(run, output):
    run()
    code, _, err = run(general__learning_rate="0.5")
    assert code == 2
    assert "general.learning_rate: 0.001 -> 0.5" in err
    assert run(general__learning_rate="0.002", overwrite="true")[0] == 0


def test_checkpoints_hold_no_teacher(run, output, cut):
    cut(LayerDistiller, 2)
    with pytest.raises(Cut):
        run()
    (checkpoint,) = output.parent.rglob("*.ckpt")
    names = torch.load(checkpoint, weights_only=True)["state_dict"].keys()
    assert {name.split(".")[0] for name in names} == {"student", "imitation"}
    assert {name.split(".")[1] for name in names if name.startswith("imitation")} == {"objective"}


@pytest.mark.parametrize("init", ["closed_form", "random"])
def test_every_start_trains(run, init):
    code, out, _ = run(student__init=init, general__max_steps="2")
    assert code == 0
    assert "artifact: " in out


def test_a_student_of_equal_width_starts_from_teacher_layers(run, output):
    code, _, _ = run(student__init="teacher_layers", student__hidden_size="32", student__intermediate_size="64")
    assert code == 0
    rows = json.loads((output / "result.json").read_text())["layers"]
    assert rows[0]["unexplained_before"] < 0.05  # the embeddings are copies


def test_a_student_of_another_width_cannot_start_from_teacher_layers(run):
    code, _, err = run(student__init="teacher_layers")
    assert code == 2
    assert "copies of teacher layers need equal widths, not 16 and 32: take student.init=closed_form" in err


def test_a_published_student_can_be_the_next_start(run, output, tmp_path):
    run()
    code, _, _ = run(student__path=str(output), output_dir=str(tmp_path / "second"), general__max_steps="2")
    assert code == 0
    first, second = (json.loads((d / "result.json").read_text()) for d in (output, tmp_path / "second"))
    assert second["layers"][1]["unexplained_before"] < first["layers"][1]["unexplained_before"] * 1.2


@pytest.mark.parametrize("strategy", ["auto", "top", "bottom", "last"])
def test_every_mapping_trains(run, output, strategy):
    code, _, _ = run(mapping=strategy, general__max_steps="2")
    assert code == 0
    assert len(json.loads((output / "result.json").read_text())["mapping"]) == 2


def test_minilmv2_trains_a_student_with_another_head_count(run, output):
    code, _, _ = run(
        objective="minilmv2",
        mapping="last",
        student__num_heads="2",
        objective__relation_heads="8",
        student__init="random",
    )
    assert code == 0
    (row,) = json.loads((output / "result.json").read_text())["layers"]
    assert (row["loss"], row["student_layer"], row["teacher_layer"]) == ("relation", 2, 4)
    assert row["raw"] < row["raw_before"]


def test_without_a_step_the_student_is_published_as_it_starts(run, output, teacher_dir):
    code, _, err = run(general__max_steps="0", student__init="random", seed="3")
    assert code == 0, err
    result = json.loads((output / "result.json").read_text())
    assert result["steps"] == result["tokens"] == 0
    assert all(row["raw"] == pytest.approx(row["raw_before"]) for row in result["layers"])
    teacher = AutoConfig.from_pretrained(teacher_dir)
    sizes = {"num_layers": 2, "hidden_size": 16, "intermediate_size": 32, "num_heads": 4, "dropout": 0.0}
    start = new_student(student_config(teacher, **sizes), seed=3).state_dict()
    assert all(start[name].equal(value) for name, value in load_file(output / "model.safetensors").items())


def test_without_output_dir_the_name_is_made_from_the_choices(run, tmp_path):
    code, _, _ = run(output_dir=None, general__max_steps="2")
    assert code == 0
    assert (tmp_path / "outputs" / "general" / "teacher_tiny3_uniform_tinybert_files" / "config.json").is_file()


def _teacher_with(tmp_path, tokenizer, **changes) -> str:
    directory = tmp_path / "other"
    bert(**changes).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return str(directory)


def bad_missing_path(tmp_path, _):
    return {"corpus__paths": "[/nowhere/at/all]"}, "/nowhere/at/all"


def bad_empty_corpus(tmp_path, _):
    (tmp_path / "empty.txt").write_text("\n\n")
    return {"corpus__paths": f"[{tmp_path}/empty.txt]"}, "corpus.paths"


def bad_binary_junk(tmp_path, _):
    (tmp_path / "junk.txt").write_bytes(bytes(range(256)) * 40)
    return {"corpus__paths": f"[{tmp_path}/junk.txt]"}, "junk.txt"


def bad_encoding(tmp_path, _):
    (tmp_path / "latin.txt").write_bytes(b"plain line\nna\xefve line\n")
    return {"corpus__paths": f"[{tmp_path}/latin.txt]"}, "line 2"


def bad_gz(tmp_path, _):
    whole = gzip.compress(b"the cat sat on the mat\n" * 5000)
    (tmp_path / "cut.txt.gz").write_bytes(whole[: len(whole) // 2])
    return {"corpus__paths": f"[{tmp_path}/cut.txt.gz]"}, "cut.txt.gz"


def bad_parquet(tmp_path, _):
    pq.write_table(pa.table({"title": ["a"], "body": ["the cat"]}), tmp_path / "t.parquet")
    return {"corpus__paths": f"[{tmp_path}/t.parquet]"}, "title, body"


def bad_no_weights(tmp_path, tokenizer):
    path = _teacher_with(tmp_path, tokenizer)
    (Path(path) / "model.safetensors").unlink()
    return {"teacher__path": path}, "holds no weights"


def bad_truncated_weights(tmp_path, tokenizer):
    path = _teacher_with(tmp_path, tokenizer, layers=4, width=32)
    file = Path(path) / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-500])
    return {"teacher__path": path}, "damaged or cut short"


def bad_vocabulary(tmp_path, tokenizer):
    path = Path(_teacher_with(tmp_path, tokenizer, layers=2, width=16))
    file = path / "tokenizer.json"
    file.write_text(file.read_text().replace('"dog"', '"hound"'))
    return {"student__path": str(path)}, "don't share a vocabulary"


def bad_heads(tmp_path, _):
    return {"student__num_heads": "3"}, "student.num_heads=3 doesn't divide student.hidden_size=16"


def bad_other_heads(tmp_path, _):
    message = "the student has 2 attention heads, the teacher 4: set student.num_heads=4, or take RelationKL in place"
    return {"student__num_heads": "2"}, f"{message} of AttentionMSE (objective=minilmv2)"


def bad_mapping(tmp_path, _):
    return {"mapping": "list", "mapping__layers": "[2,9]"}, "names layer 9, the teacher's layers are 1 to 4"


def bad_output(tmp_path, _):
    (tmp_path / "file").write_text("")
    return {"output_dir": f"{tmp_path}/file/student"}, "can't write to"


def bad_url_for_outputs(tmp_path, _):
    return {"output_dir": "s3://bucket/student"}, "s3:/bucket/student is a URL, and only directories of this machine"


def bad_hub_name(tmp_path, _):
    message = "name a directory, or name sentence-transformers/all-MiniLM-L6-v2, which works offline"
    return {"teacher__path": "org/some-bert"}, message


def bad_wide_student(tmp_path, _):
    message = "the closed form needs a student no wider than the teacher, not 64 and 32: take student.init=random"
    return {"student__hidden_size": "64"}, message


def bad_unprojected_start(tmp_path, _):
    changes = {"student__hidden_size": "32", "objective__projection": "none"}
    return changes, "objective.projection=none can't compare; take student.init=teacher_layers"


def bad_depth(tmp_path, _):
    return {"mapping": "top", "student__num_layers": "5"}, "mapping=top: the mapping names layer 0"


def bad_length(tmp_path, _):
    return {"general__max_length": "65"}, "general.max_length=65 is too long: the models end at 64"


BAD = [value for name, value in sorted(globals().items()) if name.startswith("bad_")]


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.__name__)
def test_bad_input_is_one_clear_line_and_leaves_nothing(case, run, tmp_path, tokenizer):
    changes, message = case(tmp_path, tokenizer)
    code, _, err = run(**changes)
    assert code == 2
    assert message in err
    assert err.startswith("tinydistill: error: ")
    assert err.count("\n") == 1
    made = {p.relative_to(tmp_path / "outputs") for p in (tmp_path / "outputs").rglob("*") if p.is_file()}
    assert {p.name for p in made if p.parts[0] != "cache"} <= {".student.lock"}
    assert not [p for p in made if p.suffix in (".npy", ".safetensors", ".ckpt")]
