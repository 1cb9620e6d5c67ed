"""Every open door, opened from outside of the package by an example, through the command line and from Python."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import tinydistill as td
from tests.conftest import WORDS, bert, sentences
from tests.stages.conftest import changed, write_csv

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


@pytest.fixture(autouse=True)
def outside(monkeypatch):
    """The examples can be imported, as with PYTHONPATH=examples."""
    monkeypatch.syspath_prepend(str(EXAMPLES))


def result_of(arguments: dict[str, str | None]) -> dict:
    return json.loads((Path(str(arguments["output_dir"])) / "result.json").read_text())


def run(command, arguments: dict[str, str | None], **changes: str | None) -> dict:
    """A run of the general stage that must succeed; its result."""
    asked = changed(arguments, general__max_steps="2", **changes)
    code, out, err = command(asked)
    assert code == 0, err + out
    return result_of(asked)


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.py")), ids=lambda file: file.stem)
def test_an_example_is_short_and_stands_on_its_page(file):
    code = file.read_text(encoding="utf-8")
    lines, whole_kind = code.splitlines(), file.stem == "ordinal"
    assert len(lines) <= (48 if whole_kind else 32)
    assert len([line for line in lines if line.strip()]) <= (36 if whole_kind else 25)
    page = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    shown = re.search(rf"<!-- examples/{file.name} -->\n+```python\n(.*?)```", page, re.DOTALL)
    assert shown is not None
    assert shown[1].strip() == code.strip()


def test_a_loss_is_trained_on_and_reported(command, arguments):
    cosine = {
        "+objective.losses.cosine._target_": "hidden_cosine.HiddenCosine",
        "+objective.losses.cosine.weight": "0.5",
    }
    result = run(command, arguments | cosine)
    rows = {(row["loss"], row["student_layer"]): row for row in result["layers"]}
    assert {("cosine", 1), ("cosine", 2), ("hidden", 1)} <= rows.keys()
    assert rows["cosine", 1]["unexplained"] is None
    assert rows["cosine", 1]["raw"] > 0


def test_a_loss_takes_part_in_an_objective_from_python():
    from hidden_cosine import HiddenCosine

    losses = {"hidden": td.losses.HiddenMSE(), "cosine": HiddenCosine(weight=2.0)}
    objective = td.Objective(td.mapping.uniform(2, 4), losses, scale="raw")
    module = td.LayerDistiller(bert(4, 32, seed=1), bert(2, 16), objective)
    _, terms = module.imitation({"input_ids": torch.randint(5, 20, (2, 8))})
    expected = sum((2.0 if name.startswith("cosine") else 1.0) * value for name, value in terms.items())
    torch.testing.assert_close(objective.total(terms), expected)


def test_a_mapping_rule_chooses_the_layers(command, arguments):
    result = run(command, arguments, **{"mapping._target_": "skip_first.skip_first", "+mapping.skip": "2"})
    assert result["mapping"] == [3, 4]


def test_a_callback_stops_a_run(command, arguments):
    watching = {
        "+callbacks.plateau._target_": "stop_on_plateau.StopOnPlateau",
        "+callbacks.plateau.steps": "2",
        "+callbacks.plateau.least": "1.0",  # nothing falls that much
    }
    code, out, err = command(arguments | watching)
    assert code == 0, err + out
    assert result_of(arguments)["steps"] == 4


def test_any_argument_of_the_trainer_can_be_set(command, arguments):
    code, out, err = command(changed(arguments, general__max_steps=None) | {"+trainer.limit_train_batches": "3"})
    assert code == 0, err + out
    assert result_of(arguments)["steps"] == 3


def test_an_argument_that_the_trainer_does_not_have_is_one_line(command, arguments):
    code, _, err = command(arguments | {"+trainer.limit_train_batchez": "3"})
    assert code == 2
    assert "Lightning's Trainer has no such argument (did you mean limit_train_batches?)" in err


@pytest.mark.parametrize(
    "optimizer", [{"optimizer": "muon"}, {"optimizer._target_": "torch.optim.NAdam", "~optimizer.fused": "true"}]
)
def test_the_optimizer_is_a_choice(command, arguments, optimizer):
    assert run(command, {**arguments, **optimizer, "scheduler": "cosine"})["steps"] == 2


def test_a_corpus_is_read(command, arguments, tmp_path):
    file = tmp_path / "lines.txt"
    file.write_text("\n".join(sentences(300)) + "\nshort\n")
    other = {
        "corpus": "docstrings",
        "corpus.paths": None,
        "corpus.name": "lines",
        "corpus._target_": "lines_corpus.LinesCorpus",
        "+corpus.path": str(file),
    }
    result = run(command, {**arguments, **other})
    assert result["steps"] == 2


def test_a_task_source_is_learned_from(command, task_arguments, tmp_path):
    files = {}
    for name, count in (("train", 40), ("validation", 12)):
        file = tmp_path / f"{name}.jsonl"
        rows = [{"text": f"the {('cat', 'dog')[n % 2]} sat", "label": ("no", "yes")[n % 2]} for n in range(count)]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        files[f"+task.source.{name}"] = str(file)
    asked = {
        **task_arguments,
        **files,
        "stage": "finetune",
        "task": "custom",
        "task.train": None,
        "task.validation": None,
        "task.source._target_": "jsonl_task.JsonlTask",
        "finetune.teacher.epochs": "1",
    }
    code, out, err = command(asked)
    assert code == 0, err + out
    assert result_of(asked)["rows"] == {"train": 40, "validation": 12}


def test_a_kind_of_task_learns_and_is_scored_its_own_way(command, task_arguments, tmp_path):
    words = [f"{'dog ' * stars}cat {'mat ' * (3 - stars)}" for stars in range(4)]
    rows = write_csv(
        tmp_path / "stars.csv", [(f"{word} {words[n % 4]}", str(n % 4)) for n, word in enumerate(WORDS * 4)]
    )
    asked = {
        **task_arguments,
        "stage": "pipeline",
        "output_dir": None,
        "task.train": rows,
        "task.validation": rows,
        "task.source._target_": "ordinal.OrderedFiles",
        "task.monitor": "near",
        "task.metrics": "[]",
        "finetune.teacher.epochs": "4",
        "finetune.teacher.learning_rate": "3e-3",
        "distill.phases": "prediction",
        "distill.check_score": "false",
        "prediction.epochs": "2",
        "pipeline.baseline": "false",
        "pipeline.report": "false",
        "pipeline.latency_length": "8",
        "pipeline.latency_seconds": "0.01",
    }
    code, out, err = command(asked)
    assert code == 0, err + out
    (file,) = (tmp_path / "outputs" / "pipeline").glob("*/result.json")
    teacher, *_, student = json.loads(file.read_text())["models"]
    assert (teacher["metric"], student["metric"]) == ("validation/near", "validation/near")
    assert 0.5 < student["score"] <= 1
    assert student["interval"][0] <= student["score"] <= student["interval"][1]


def test_what_cannot_be_imported_or_is_of_another_kind_is_one_line(command, arguments):
    for words, told in (
        ({"mapping._target_": "nowhere.rule"}, "mapping: nowhere.rule can't be imported"),
        ({"corpus": "docstrings", "corpus.paths": None, "corpus._target_": "datetime.date"}, "corpus: datetime.date"),
        (
            {"+callbacks.mine._target_": "builtins.dict"},
            "callbacks.mine: builtins.dict makes a dict, which is no Callback",
        ),
        ({"+callbacks.mine.steps": "3"}, "callbacks.mine doesn't say what it is: set callbacks.mine._target_="),
    ):
        code, _, err = command({**arguments, **words})
        assert code == 2
        assert told in err
        assert "Traceback" not in err


@pytest.mark.slow
def test_the_doors_open_in_a_process_of_their_own(arguments, tmp_path):
    words = {**changed(arguments, general__max_steps="1"), "mapping._target_": "skip_first.skip_first"}
    typed = [f"{key}={value}" for key, value in words.items()]
    environment = {"PYTHONPATH": str(EXAMPLES), "PATH": "", "HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "tinydistill", *typed], capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert result_of(words)["mapping"] == [3, 4]
