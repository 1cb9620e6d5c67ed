"""stage=report from the command line: what a tiny pipeline has made, on one page; and what stops it."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stages.conftest import animal_rows, changed, write_csv


@pytest.fixture(scope="module")
def made(tmp_path_factory, teacher_dir, text_file) -> Path:
    """The outputs of a pipeline of seconds without its report, made in a process of its own."""
    root = tmp_path_factory.mktemp("made")
    rows = [write_csv(root / f"{name}.csv", animal_rows(80, i)) for i, name in enumerate(("train", "validation"))]
    options = {
        **{"stage": "pipeline", "teacher.path": teacher_dir, "corpus": "files", "corpus.paths": f"[{text_file}]"},
        **{"student.num_layers": 2, "student.hidden_size": 16, "student.intermediate_size": 32},
        **{"student.num_heads": 4, "general.max_length": 16, "general.max_steps": 11, "general.batch_size": 4},
        **{"general.sample_tokens": 500, "general.heldout_fraction": 0.1, "trainer.accelerator": "cpu"},
        **{"trainer.precision": "'32'", "task": "files", "task.train": rows[0], "task.validation": rows[1]},
        **{"task.max_length": 12, "finetune.teacher.epochs": 4, "finetune.teacher.learning_rate": 2e-3},
        **{"finetune.student.epochs": 4, "intermediate.epochs": 4, "prediction.epochs": 4},
        **{"prediction.learning_rate": 3e-3, "distil.check_score": "false", "pipeline.latency_length": 8},
        **{"pipeline.latency_seconds": 0.01, "pipeline.report": "false", "paths.outputs": root / "outputs"},
    }
    words = [f"{key}={value}" for key, value in options.items()]
    done = subprocess.run([sys.executable, "-m", "tinydistill", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return root / "outputs"


@pytest.fixture
def run(command, made, tmp_path):
    """Reports on what was made, with some arguments changed; returns (exit code, stdout, stderr)."""
    fixed = {
        **{"stage": "report", "paths.outputs": str(made), "output_dir": str(tmp_path / "page")},
        "report.sentences": "[the cat sat on the mat]",
    }
    return lambda **changes: command(changed(fixed, **changes))


def artifact(made: Path, stage: str) -> Path:
    """The one that a stage made."""
    (path,) = (made / stage).glob("*/result.json")
    return path.parent


def test_everything_is_on_one_page_that_needs_nothing_else(run, made, tmp_path):
    code, out, err = run()
    assert code == 0, err
    assert err == ""
    page = tmp_path / "page"
    assert out.rstrip().endswith(f"artifact: {page}")
    files = {file.name for file in page.iterdir()}
    assert files == {"report.md", "report.html", "figures", "result.json", "provenance.json"}
    html, text = (page / "report.html").read_text(), (page / "report.md").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:image/png;base64,|#)', html)
    assert "<script" not in html
    for heading in ("Scores", "Training", "How well every layer is imitated", "Where they look", "Where it comes from"):
        assert f"## {heading}\n" in text
    assert "## Settings compared" not in text  # nothing was swept
    drawn = set(re.findall(r"\]\((figures/[^)]+)\)", text))
    assert drawn == {str(file.relative_to(page)) for file in (page / "figures").iterdir()}
    assert html.count("data:image/png;base64,") == len(drawn)
    phases = {re.sub(r"^training-(files-)?|-[a-z]+\.png$", "", f.name) for f in (page / "figures").glob("training-*")}
    assert phases == {"general", "finetune", "intermediate", "prediction"}
    rows = json.loads((artifact(made, "pipeline") / "result.json").read_text())["models"]
    for row in rows:
        assert f"{row['score']:.3f} | {row['retention']:.1f}%" in text
        assert f"{row['latency_ms']:.1f} | {row['speedup']:.1f}x" in text
    assert json.loads((page / "result.json").read_text())["score"] == pytest.approx(rows[-1]["score"])


def test_it_is_made_anew_when_the_artifacts_change_and_only_then(run, made, tmp_path):
    page = tmp_path / "page" / "report.md"
    quiet = {"report__sentences": "[]", "report__paths": f"[{made / 'finetune'},{made / 'evaluate'}]"}
    assert run(**quiet)[0] == 0
    before = page.stat().st_mtime_ns
    code, out, _ = run(**quiet)
    assert code == 0
    assert "finished before with the same settings" in out
    assert page.stat().st_mtime_ns == before
    code, out, _ = run(**{**quiet, "report__paths": f"[{made / 'evaluate'}]"})
    assert code == 0
    assert "finished before" not in out
    assert "finetune/" not in page.read_text()


def test_a_sweep_is_a_table_of_what_varies(run, made, tmp_path):
    for rate, score in ((0.003, 0.5), (0.01, 0.75)):
        copy = tmp_path / "swept" / str(rate) / "task"
        shutil.copytree(artifact(made, "task"), copy, ignore=shutil.ignore_patterns("logs"))
        record, result = (json.loads((copy / f"{name}.json").read_text()) for name in ("provenance", "result"))
        record["settings"]["phases"]["prediction"]["learning_rate"] = rate
        (copy / "provenance.json").write_text(json.dumps(record))
        (copy / "result.json").write_text(json.dumps({**result, "score": score}))
    code, _, err = run(report__paths=f"[{tmp_path / 'swept'}]", report__sentences="[]")
    assert code == 0, err
    text = (tmp_path / "page" / "report.md").read_text()
    assert "|  | `prediction.learning_rate` | validation/accuracy | of teacher | artifact |" in text
    assert re.search(r"\| 1 \| 0\.01 \| \*\*0\.750\*\* .*\n\| 2 \| 0\.003 \| 0\.500 ", text)


def test_models_that_can_t_be_loaded_any_more_are_a_line_in_the_report(run, made, tmp_path):
    shutil.copytree(artifact(made, "task"), tmp_path / "outputs" / "task" / "student")
    code, out, err = run(paths__outputs=str(tmp_path / "outputs"))
    assert code == 0, err
    assert "the attention of task/student isn't drawn: its teacher isn't to be found" in out
    text = (tmp_path / "page" / "report.md").read_text()
    assert "The attention of `task/student` isn't drawn: its teacher isn't to be found" in text
    assert "## Which layer learns from which" in text


def test_a_head_that_is_not_there_is_said(run, made):
    chosen = f"[{artifact(made, 'general')}]"
    code, out, _ = run(report__head="5", report__paths=chosen)
    assert code == 0
    assert "report.head=5 is too large: there are 4 heads" in out


@pytest.mark.parametrize("wrong", ["nowhere", "foreign", "half"])
def test_a_wrong_input_is_one_clear_line_and_leaves_nothing(run, tmp_path, wrong):
    (tmp_path / "foreign").mkdir()
    (tmp_path / "half.unfinished").mkdir()
    code, out, err = run(report__paths=f"[{tmp_path / wrong}]")
    assert code == 2
    assert out == ""
    assert str(tmp_path / wrong) in err
    assert err.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"foreign", "half.unfinished"}


def test_a_report_replaces_no_model(run, made):
    model = artifact(made, "task")
    code, _, err = run(output_dir=str(model))
    assert code == 2
    assert "is an artifact of another stage; choose another place with output_dir=DIR" in err
    assert (model / "model.safetensors").is_file()
