"""stage=report from the command line: what a pipeline has made, on one page; and what stops it."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import bert
from tests.report.conftest import Maker
from tests.stages.conftest import changed
from tinydistill.models.heads import Head, add_head
from tinydistill.models.loading import identity, save_model

LAYERS = [
    {
        "loss": loss,
        "student_layer": m,
        "teacher_layer": 2 * m,
        "unexplained_before": 1.4,
        "unexplained": 0.4,
        "floor": floor,
    }
    for loss, m, floor in (("embedding", 0, 0.1), ("hidden", 1, 0.1), ("hidden", 2, 0.1), ("attention", 2, None))
]
IMITATION = {"mapping": [2, 4], "layers": LAYERS}
OBJECTIVE = {"embedding": 1.0, "hidden": 1.0, "attention": 1.0, "relation": 0.0}


def log(path: Path, phase: str, *metrics: str) -> None:
    """What a logger leaves of thirty steps."""
    place = path / "logs" / phase / "csv" / "version_0"
    place.mkdir(parents=True)
    rows = [[str(step), *(f"{(1 + len(name) / 9) / (step + 1):.4f}" for name in metrics)] for step in range(30)]
    (place / "metrics.csv").write_text("\n".join(map(",".join, [["step", *metrics], *rows])) + "\n")


@pytest.fixture(scope="module")
def made(tmp_path_factory, tokenizer) -> Path:
    """A teacher, a baseline, a general and a distilled student as a pipeline leaves them, without the training."""
    maker = Maker(tmp_path_factory.mktemp("made") / "outputs")
    for layers, path in ((4, "finetune/big_pets"), (2, "finetune/tiny_pets"), (2, "task/student_pets")):
        model = add_head(bert(layers, 8 * layers, seed=layers + len(path)), Head(("cat", "dog")), seed=0)
        save_model(model, tokenizer, maker.root / path)
    big = maker.finetune("big_pets", 0.9, "teacher")
    alone = maker.finetune("tiny_pets", 0.6, "student")
    student = maker.task(
        "student_pets",
        0.8,
        "big_pets",
        0.9,
        learned_from=identity(str(maker.root / "finetune/big_pets")),
        objective=OBJECTIVE,
        prediction={"learning_rate": 0.1},
    )
    result = json.loads((student / "result.json").read_text())
    (student / "result.json").write_text(
        json.dumps({**result, "phases": {"intermediate": IMITATION, "prediction": {}}})
    )
    gone = {"teacher__path": "/gone", "teacher__revision": None}
    general = {**IMITATION, "heldout_loss": 1.0}
    maker.make("general/a", {"objective": OBJECTIVE}, general, inputs={"teacher": "w"}, **gone)
    rows = [
        {
            **{
                "task": "pets",
                "metric": "validation/accuracy",
                "model": model,
                "path": f"outputs/{path.parent.name}/{path.name}",
            },
            **{
                "score": score,
                "retention": score / 0.009,
                "parameters": 9,
                "bytes": 36,
                "latency_ms": ms,
                "speedup": 20 / ms,
            },
        }
        for model, path, score, ms in (
            ("teacher", big, 0.9, 20.0),
            ("student, not distilled", alone, 0.6, 5.0),
            ("student, distilled", student, 0.8, 4.0),
        )
    ]
    maker.make("pipeline/pets", {}, {"models": rows}, pipeline__latency_length=8)
    log(maker.root / "general" / "a", "", "train/loss", "heldout/loss")
    log(big, "", "train/loss", "validation/accuracy")
    log(student, "intermediate", "train/loss", "train/unexplained/hidden/1", "train/unexplained/attention/2")
    log(student, "prediction", "train/loss", "validation/accuracy")
    return maker.root


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
    assert files == {"report.md", "report.html", "figures", "result.json", "provenance.json", "checksums.json"}
    html, text = (page / "report.html").read_text(), (page / "report.md").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:image/png;base64,|#)', html)
    assert "<script" not in html
    for heading in ("Scores", "Training", "How well every layer is imitated", "Attention maps", "Where it comes from"):
        assert f"## {heading}\n" in text
    assert "## Settings compared" not in text  # nothing was swept
    drawn = set(re.findall(r"\]\((figures/[^)]+)\)", text))
    assert drawn == {str(file.relative_to(page)) for file in (page / "figures").iterdir()}
    assert html.count("data:image/png;base64,") == len(drawn)
    phases = {re.sub(r"^training-(pets-)?|-[a-z]+\.png$", "", f.name) for f in (page / "figures").glob("training-*")}
    assert phases == {"general", "finetune", "intermediate", "prediction"}
    rows = json.loads((artifact(made, "pipeline") / "result.json").read_text())["models"]
    for row in rows:
        assert f"{row['score']:.3f} | {row['retention']:.1f}%" in text
        assert f"{row['latency_ms']:.1f} | {row['speedup']:.1f}x" in text
    assert json.loads((page / "result.json").read_text())["score"] == pytest.approx(rows[-1]["score"])


def test_it_is_made_anew_when_the_artifacts_change_or_it_is_told_to(run, made, tmp_path):
    page = tmp_path / "page" / "report.md"
    quiet = {"report__sentences": "[]", "report__paths": f"[{made / 'finetune'},{made / 'pipeline'}]"}
    assert run(**quiet)[0] == 0
    before = page.stat().st_mtime_ns
    code, out, _ = run(**quiet)
    assert code == 0
    assert "finished before with the same settings" in out
    assert page.stat().st_mtime_ns == before
    assert "finished before" not in run(**quiet, overwrite="always")[1]
    code, out, _ = run(**{**quiet, "report__paths": f"[{made / 'pipeline'}]"})
    assert code == 0
    assert "finished before" not in out
    assert "finetune/" not in page.read_text()


def test_a_sweep_is_a_table_of_what_varies(run, made, tmp_path):
    for rate, score in ((0.003, 0.5), (0.01, 0.75)):
        copy = tmp_path / "swept" / str(rate) / "task"
        shutil.copytree(artifact(made, "task"), copy, ignore=shutil.ignore_patterns("logs", "checksums.json"))
        record, result = (json.loads((copy / f"{name}.json").read_text()) for name in ("provenance", "result"))
        record["settings"]["options"]["prediction"]["learning_rate"] = rate
        (copy / "provenance.json").write_text(json.dumps(record))
        (copy / "result.json").write_text(json.dumps({**result, "score": score}))
    code, _, err = run(report__paths=f"[{tmp_path / 'swept'}]", report__sentences="[]")
    assert code == 0, err
    text = (tmp_path / "page" / "report.md").read_text()
    assert "|  | validation/accuracy | of teacher | `prediction.learning_rate` | artifact |" in text
    assert re.search(r"\| 1 \| \*\*0\.750\*\* .* 0\.01 \|.*\n\| 2 \| 0\.500 .* 0\.003 \|", text)


def test_models_that_can_t_be_loaded_any_more_are_a_line_in_the_report(run, made, tmp_path):
    shutil.copytree(artifact(made, "task"), tmp_path / "outputs" / "task" / "student")
    code, out, err = run(paths__outputs=str(tmp_path / "outputs"))
    assert code == 0, err
    assert "the attention of task/student isn't drawn: its teacher isn't to be found" in out
    text = (tmp_path / "page" / "report.md").read_text()
    assert "The attention of `task/student` isn't drawn: its teacher isn't to be found" in text
    assert "## Which layer learns from which" in text


def test_a_head_that_is_not_there_is_one_clear_line_and_leaves_nothing(run, tmp_path):
    code, _, err = run(report__head="5")
    assert code == 2
    assert "report.head=5 is too large: task/student_pets or its teacher has 4 heads" in err
    assert not list(tmp_path.glob("page*"))


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


def test_without_matplotlib_a_report_is_one_line_and_nothing_is_left(run, tmp_path, without_matplotlib):
    code, _, err = run()
    assert (code, err) == (2, "tinydistill: error: a report needs matplotlib: pip install matplotlib\n")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("page")]
