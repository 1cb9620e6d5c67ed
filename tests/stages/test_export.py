"""stage=export from the command line: one tiny distilled model, shipped once; and what stops it."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from tests.conftest import bert
from tests.stages.conftest import animal_rows, write_csv
from tinydistill.config.build import data, sources
from tinydistill.config.build.origin import without_distillation
from tinydistill.config.compose import composed, plain
from tinydistill.config.names import finetuned_path
from tinydistill.export import checks, onnx_files, publishing
from tinydistill.export.onnx_session import OnnxModel
from tinydistill.models.heads import Head, add_head
from tinydistill.models.loading import save_model
from tinydistill.models.source import find
from tinydistill.stages import export

QUICK = {
    "stage": "export",
    "export.latency.batch_sizes": "[1,2]",
    "export.latency.lengths": "[4,12]",
    "export.latency.threads": "[1]",
    "export.latency.seconds": "0.001",
    "export.least_equal": "0.9",
}
TEXTS = ["the cat sat on the mat", "the dog", "cat"]


def make_model(tokenizer, path: Path, labels=("cat", "dog"), seed: int = 2, layers: int = 2) -> Path:
    encoder = bert(layers=layers, seed=seed, initializer_range=0.5)
    save_model(add_head(encoder, Head(labels), seed=0), tokenizer, path)
    return path


@pytest.fixture
def run(command, task_arguments):
    """Runs the stage with some arguments changed; returns (exit code, stdout, stderr)."""
    fixed = {**task_arguments, **QUICK}
    return lambda **changes: command({**fixed, **{key.replace("__", "."): value for key, value in changes.items()}})


@pytest.fixture(scope="module")
def shipped(tmp_path_factory, tokenizer) -> dict:
    """A student with a teacher and a baseline beside it, exported in a process of its own."""
    root = tmp_path_factory.mktemp("shipped")
    teacher = make_model(tokenizer, root / "tuned", seed=1, layers=4)
    (teacher / "README.md").write_text("---\nlicense: mit\n---\n")
    student = make_model(tokenizer, root / "student")
    rows = {
        name: write_csv(root / f"{name}.csv", animal_rows(40, seed))
        for seed, name in enumerate(("train", "validation"))
    }
    choices = [
        *("task=files", f"task.train={rows['train']}", f"task.validation={rows['validation']}", "task.max_length=12"),
        *(f"teacher.path={teacher}", f"paths.outputs={root / 'outputs'}", "trainer.accelerator=cpu"),
    ]
    config = composed([*choices, "stage=task"])
    of_task = data.task(config).identity()
    layers = [{"loss": "hidden", "student_layer": m, "teacher_layer": 2 * m} for m in (1, 2)]
    inputs = {"teacher": find(str(teacher)).identity, "task": of_task}
    result = {
        "teacher_score": 0.9,
        "phases": {"intermediate": {"steps": 3, "layers": layers}, "prediction": {"steps": 2}},
    }
    kept = {"settings": {"options": {}, "inputs": inputs}, "configuration": plain(config)}
    (student / "provenance.json").write_text(json.dumps(kept))
    (student / "result.json").write_text(json.dumps(result))
    alone = finetuned_path(without_distillation(config), "student")
    alone.mkdir(parents=True)
    (alone / "provenance.json").write_text(json.dumps(kept))
    (alone / "result.json").write_text(json.dumps({"score": 0.6}))
    words = [*choices, *(f"{key}={value}" for key, value in QUICK.items()), f"export.path={student}"]
    made = root / "made"
    done = subprocess.run(
        [sys.executable, "-m", "tinydistill", *words, f"output_dir={made}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return {"path": made, "student": student, "out": done.stdout, "err": done.stderr, "words": words}


def result_of(path: Path) -> dict:
    return json.loads((path / "result.json").read_text())


def test_the_directory_holds_what_every_tool_looks_for_and_nothing_else_is_printed(shipped):
    files = {str(file.relative_to(shipped["path"])) for file in shipped["path"].rglob("*") if file.is_file()}
    assert files == {
        *("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt"),
        *("onnx/model.onnx", "onnx/model_quantized.onnx"),
        *("README.md", "result.json", "provenance.json", "checksums.json"),
    }
    assert shipped["out"].rstrip().endswith(f"artifact: {shipped['path']}")
    assert shipped["err"] == ""
    assert not shipped["path"].with_name("made.unfinished").exists()


def test_it_answers_in_transformers_with_the_labels_names(shipped):
    answers = pipeline("text-classification", str(shipped["path"]), device="cpu")(TEXTS)
    loaded = AutoModelForSequenceClassification.from_pretrained(shipped["path"]).eval()
    with torch.no_grad():
        batch = AutoTokenizer.from_pretrained(shipped["path"])(TEXTS, padding=True, return_tensors="pt")
        best = loaded(**batch).logits.argmax(-1).tolist()
    assert [answer["label"] for answer in answers] == [("cat", "dog")[i] for i in best]


@pytest.mark.parametrize("shape", [(1, 1), (1, 64), (5, 7), (32, 64)])
def test_both_files_answer_as_pytorch_at_any_batch_and_length(shipped, shape):
    model = AutoModelForSequenceClassification.from_pretrained(shipped["path"]).eval()
    ids = torch.randint(5, 20, shape, generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[-1, max(1, shape[1] // 2) :] = 0
    with torch.no_grad():
        logits = model(input_ids=ids, attention_mask=mask).logits.numpy()
    for file, near in (("model.onnx", 1e-5), ("model_quantized.onnx", 0.5)):
        answer = OnnxModel(shipped["path"] / "onnx" / file)({"input_ids": ids, "attention_mask": mask})
        assert answer.shape == logits.shape
        assert abs(answer - logits).max() < near


def test_the_card_s_example_answers_in_onnxruntime_without_torch(shipped):
    text = (shipped["path"] / "README.md").read_text()
    served = next(code for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "onnxruntime" in code)
    served += "\nimport sys\nassert not {'torch', 'transformers', 'tinydistill'} & set(sys.modules)\n"
    code = served.replace("DIRECTORY", str(shipped["path"])).replace("a text", TEXTS[0])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (answer,) = pipeline("text-classification", str(shipped["path"]), device="cpu")(TEXTS[:1])
    assert answer["label"] in done.stdout


def test_our_own_session_imports_no_torch():
    code = "import sys, tinydistill.export.onnx_session; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_result_says_how_true_how_large_and_how_fast(shipped):
    result = result_of(shipped["path"])
    plain, fp32, int8 = result["checks"]
    assert [row["name"] for row in result["checks"]] == ["PyTorch fp32", "ONNX fp32", "ONNX int8"]
    assert (plain["difference"], plain["equal"]) == (0, 1)
    assert fp32["difference"] < 1e-5
    assert fp32["equal"] == 1
    assert int8["equal"] >= 0.9
    assert result["score"] == plain["score"] == fp32["score"]
    assert result["scores"] == {"teacher": 0.9, "not distilled": 0.6, "student": result["score"]}
    teacher, student = result["sizes"]
    for name, file in (("PyTorch fp32", "model.safetensors"), ("ONNX int8", "onnx/model_quantized.onnx")):
        assert student["bytes"][name] == (shipped["path"] / file).stat().st_size
    assert student["bytes"]["ONNX fp32"] > student["bytes"]["ONNX int8"]
    assert teacher["encoder"] == 2 * student["encoder"]
    assert [(row["threads"], row["batch_size"], row["length"]) for row in result["latency"]] == [
        *((1, 1, 4), (1, 1, 12), (1, 2, 4), (1, 2, 12))
    ]
    assert len(result["latency"][0]["latency"]) == 6
    assert all(one["p95"] >= one["median"] > 0 for row in result["latency"] for one in row["latency"].values())


def test_the_card_tells_where_the_model_comes_from(shipped):
    card = ModelCard.load(shipped["path"] / "README.md")
    assert card.data.license == "mit"
    assert card.data.pipeline_tag == "text-classification"
    (score,) = card.data.eval_results
    assert score.metric_value == pytest.approx(result_of(shipped["path"])["score"], abs=1e-4)
    for said in (
        "Teacher: tuned, fine-tuned on the task",
        "student ← teacher layer: 1 ← 2, 2 ← 4",
        "embedding 1, hidden 1, attention 1",
        "| teacher | 0.9000 |",
        "trained on the labels alone | 0.6000 |",
        "License: mit.",
        "student, ONNX int8",
    ):
        assert said in card.text
    assert str(shipped["path"].parent) not in card.text


def test_the_same_again_returns_the_finished_result(shipped, command):
    before = (shipped["path"] / "result.json").stat().st_mtime_ns
    code, out, _ = command(dict(word.split("=", 1) for word in [*shipped["words"], f"output_dir={shipped['path']}"]))
    assert code == 0
    assert "finished before with the same settings" in out
    assert (shipped["path"] / "result.json").stat().st_mtime_ns == before


def test_a_finished_export_is_pushed_by_the_same_command(shipped, command, monkeypatch):
    asked = []
    monkeypatch.setattr(publishing, "check", lambda repo: asked.append(repo))
    monkeypatch.setattr(publishing, "push", lambda path, repo, private: f"https://hub/{repo} {path.name} {private}")
    words = [*shipped["words"], f"output_dir={shipped['path']}", "export.push=true", "export.repo=user/name"]
    code, out, err = command(dict(word.split("=", 1) for word in words))
    assert code == 0, err
    assert asked == ["user/name"]
    assert "finished before with the same settings" in out
    assert "pushed: https://hub/user/name made True" in out


def test_a_push_without_a_token_is_refused_before_any_work(run, tmp_path, monkeypatch):
    monkeypatch.setattr(publishing, "get_token", lambda: None)
    code, _, err = run(export__path="/nowhere/at/all", export__push="true", export__repo="user/name")
    assert code == 2
    assert "a push to the hub needs your token: set HF_TOKEN" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "outputs").exists()


def test_a_teacher_that_ends_before_what_is_timed_is_found_before_anything_is_written(shipped, command, monkeypatch):
    def end_early(config):
        return 8 if config.num_hidden_layers == 4 else 64

    monkeypatch.setattr(sources, "longest_input", end_early)
    monkeypatch.setattr(export, "save_model", lambda *_: pytest.fail("it was too late"))
    made = shipped["path"].with_name("another")
    code, _, err = command(dict(word.split("=", 1) for word in [*shipped["words"], f"output_dir={made}"]))
    assert code == 2
    assert "export.latency.lengths=12 is too long: the models end at 8" in err
    assert not list(made.parent.glob("another*"))


@pytest.mark.slow
def test_a_regression_without_int8_or_teacher_is_told_by_its_correlation(run, tokenizer, tmp_path):
    rows = [(text, str(i / 7)) for i, (text, _) in enumerate(animal_rows(20, 3))]
    numbers = {"task__train": write_csv(tmp_path / "a.csv", rows), "task__validation": None}
    chosen = {"task__monitor": "spearman", "task__metrics": "[spearman,pearson]", "export__formats": "[onnx]"}
    path = make_model(tokenizer, tmp_path / "number", labels=())
    code, out, err = run(export__path=str(path), **numbers, **chosen, export__license="apache-2.0")
    assert code == 0, err
    assert "the model is measured alone" in out
    made = tmp_path / "outputs" / "made"
    fp32 = result_of(made)["checks"][1]
    assert fp32["equal"] is None
    assert fp32["correlation"] == pytest.approx(1, abs=1e-5)
    assert not (made / "onnx" / "model_quantized.onnx").exists()
    assert ModelCard.load(made / "README.md").data.license == "apache-2.0"


def test_without_onnx_there_is_the_directory_alone(run, tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    path = make_model(tokenizer, tmp_path / "model")
    code, _, err = run(export__path=str(path))
    assert code == 2
    assert "pip install onnx onnxruntime onnxscript, or go without: 'export.formats=[]'" in err
    monkeypatch.undo()
    code, out, _ = run(export__path=str(path), export__formats="[]")
    assert code == 0
    assert not (tmp_path / "outputs" / "made" / "onnx").exists()
    assert "the model's license isn't known: set export.license=NAME" in out


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="openvino isn't installed: pip install openvino"
)
def test_a_model_in_openvino_alone_is_checked_timed_and_shown_in_the_card_with_what_reads_it(run, shipped, tmp_path):
    code, out, err = run(export__path=str(shipped["student"]), export__formats="[openvino]")
    assert code == 0, err
    assert "student, OpenVINO fp32" in out
    made = tmp_path / "outputs" / "made"
    assert not (made / "onnx").exists()
    result = result_of(made)
    plain, exported = result["checks"]
    assert (exported["name"], exported["equal"], exported["score"]) == ("OpenVINO fp32", 1, plain["score"])
    assert exported["difference"] < 1e-5
    files = [made / "openvino" / f"openvino_model.{part}" for part in ("xml", "bin")]
    assert result["sizes"][-1]["bytes"]["OpenVINO fp32"] == sum(file.stat().st_size for file in files)
    assert ModelCard.load(made / "README.md").data.tags == ["distillation", "tinybert", "openvino"]
    *_, served = re.findall(r"```python\n(.*?)```", (made / "README.md").read_text(), re.DOTALL)
    served = f"import sys\nsys.modules['openvino_telemetry'] = None  # tells nobody\n{served}"
    served += "\nassert not {'torch', 'transformers', 'onnxruntime'} & set(sys.modules)\n"
    code = served.replace("DIRECTORY", str(made)).replace("a text", TEXTS[0])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (answer,) = pipeline("text-classification", str(made), device="cpu")(TEXTS[:1])
    assert answer["label"] in done.stdout


def test_without_openvino_the_line_names_what_to_install_or_the_other_formats(run, shipped, monkeypatch):
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *of: None if name == "openvino" else there(name, *of))
    code, _, err = run(export__path=str(shipped["student"]), export__formats="[onnx,openvino]")
    assert code == 2
    assert "OpenVINO needs openvino: pip install onnx onnxruntime onnxscript openvino, or go without: " in err
    assert "'export.formats=[onnx]'" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("file", "wrong", "message"),
    [
        (
            "model.onnx",
            lambda logits: logits + 0.001,
            "0.001 off, beyond the bound of 0.0001: set export.max_difference anew",
        ),
        (
            "model_quantized.onnx",
            lambda logits: -logits,
            "of 40 rows, too many for a bound of 0.9: set export.least_equal anew",
        ),
    ],
)
def test_a_file_that_answers_otherwise_is_left_out_and_the_rest_is_published(
    run, shipped, tmp_path, monkeypatch, file, wrong, message
):
    def made_before(model, inputs, made, **options):
        copy_file(shipped["path"] / "onnx" / "model.onnx", made)

    right = checks.answer_of
    monkeypatch.setattr(onnx_files, "export_onnx", made_before)
    monkeypatch.setattr(
        checks,
        "answer_of",
        lambda made: lambda batch: wrong(right(made)(batch)) if made.name == file else right(made)(batch),
    )
    made = tmp_path / "outputs" / "made"
    for _ in range(2):  # the second time it is finished
        code, out, err = run(export__path=str(shipped["student"]))
        assert code == 3
        assert f"onnx/{file} doesn't answer as PyTorch does: " in err
        assert message in err
        assert err.count("\n") == 1
        assert f"artifact: {made}" in out
    assert [path.name for path in (made / "onnx").iterdir()] == [
        *({"model.onnx", "model_quantized.onnx"} - {file}),
    ]
    result = result_of(made)
    (kept,) = {row["name"] for row in result["checks"]} - {"PyTorch fp32"}
    (left,) = result["withheld"]
    assert {kept, left} == {"ONNX fp32", "ONNX int8"}
    assert message in result["withheld"][left]
    assert left not in str(result["latency"])
    assert left not in (made / "README.md").read_text()


def copy_file(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def test_an_input_that_is_missing_foreign_or_half_made_is_one_clear_line(run, tokenizer, tmp_path):
    foreign = make_model(tokenizer, tmp_path / "foreign", labels=("a", "b", "c"))
    save_model(bert(), tokenizer, tmp_path / "encoder")
    cut = make_model(tokenizer, tmp_path / "cut")
    weights = (cut / "model.safetensors").read_bytes()
    (cut / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    half = make_model(tokenizer, tmp_path / "half")
    (half / "model.safetensors").unlink()
    for path, message in (
        (None, "export.path is not set and stage=task has made no "),
        ("/nowhere/at/all", "export.path=/nowhere/at/all: there is no such directory"),
        (foreign, "predicts 3 classes (a, b, c), the task asks for 2 classes (cat, dog)"),
        (tmp_path / "encoder", "holds no head for the task"),
        (cut, "the weights are damaged or cut short"),
        (half, "holds no weights (model.safetensors)"),
    ):
        code, _, err = run(export__path=path and str(path))
        assert code == 2
        assert message in err
        assert err.count("\n") == 1
        assert not list((tmp_path / "outputs").glob("made*"))


def test_options_that_cannot_be_are_one_clear_line(run, tokenizer, tmp_path):
    path = str(make_model(tokenizer, tmp_path / "model"))
    for change, message in (
        ({"export__formats": "[onxx]"}, "export.formats holds 'onxx', which is not one of onnx, onnx_int8, openvino"),
        (
            {"export__latency.lengths": "[4,65]"},
            "export.latency.lengths=65 is too long: the models end at 64",
        ),
        ({"export__latency.threads": "[0]"}, "export.latency.threads holds 0: these are whole numbers from 1 on"),
    ):
        code, _, err = run(export__path=path, **change)
        assert code == 2
        assert message in err
