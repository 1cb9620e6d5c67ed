"""Trainer, callbacks, schedule: what Lightning has is a word on the command line, and counts as a setting."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.stages.conftest import changed
from tinydistill.config.compose import composed
from tinydistill.config.names import augmented_path, finetuned_path, general_path


@pytest.fixture
def finetune(task_arguments, command):
    quick = {"stage": "finetune", "finetune.teacher.epochs": "2", "finetune.teacher.learning_rate": "1e-3"}
    return lambda **changes: command(changed({**task_arguments, **quick}, **changes))


def result(directory: Path) -> dict:
    return json.loads((directory / "result.json").read_text())


def test_any_argument_of_the_trainer_is_a_setting_unless_it_changes_nothing(finetune, task_arguments):
    assert finetune()[0] == 0
    code, out, err = finetune(trainer__log_every_n_steps="3", trainer__enable_progress_bar="false")
    assert code == 0, err
    assert "finished before with the same settings" in out
    code, _, err = finetune(**{"+trainer__limit_train_batches": "0.5"})
    assert code == 2
    assert "made with other settings (options.trainer.limit_train_batches: None -> 0.5)" in err
    code, _, err = finetune(**{"+trainer__limit_train_batches": "0.5"}, overwrite="true")
    assert code == 0, err
    assert result(Path(task_arguments["output_dir"]))["steps"] == 2 * 2
    code, _, err = finetune(**{"+trainer__limit_train_batch": "0.5"}, overwrite="true")
    assert code == 2
    assert "trainer.limit_train_batch: Lightning's Trainer has no such argument (did you mean limit_train_b" in err


def test_a_run_ends_early_where_its_score_gets_no_better(finetune, task_arguments):
    options = {"callbacks": "early_stopping", "callbacks__early_stopping__patience": "2"}
    code, _, err = finetune(**options, finetune__teacher__epochs="9", finetune__teacher__learning_rate="0")
    assert code == 0, err
    assert result(Path(task_arguments["output_dir"]))["steps"] == 3 * 5  # the first score, and two that are no better


@pytest.mark.parametrize("stage", ["general", "finetune"])
def test_averaged_weights_are_published(stage, request, command, tmp_path):
    given = {"general": "arguments", "finetune": "task_arguments"}[stage]
    more = {"stage": stage, "general.max_steps": "6", "finetune.teacher.epochs": "1", "scheduler": "constant"}
    arguments = {**request.getfixturevalue(given), **more}
    averaged = {"callbacks": "weight_averaging"}
    choices = {"last": {}, "mean": averaged, "of one": {**averaged, "callbacks.weight_averaging.decay": "0"}}
    found = {}
    for name, chosen in choices.items():
        code, _, err = command({**arguments, **chosen, "output_dir": str(tmp_path / name)})
        assert code == 0, err
        found[name] = load_file(tmp_path / name / "model.safetensors")
    assert all(found["of one"][name].allclose(value) for name, value in found["last"].items())
    assert not any(found["mean"][n].allclose(v) for n, v in found["last"].items() if n.endswith("query.weight"))


@pytest.mark.parametrize(("scheduler", "last"), [("linear", 0.2 / 9), ("cosine", 0.0061), ("constant", 0.2)])
def test_the_rate_follows_the_schedule(finetune, task_arguments, scheduler, last):
    code, _, err = finetune(scheduler=scheduler, trainer__log_every_n_steps="1", finetune__teacher__learning_rate="0.2")
    assert code == 0, err
    (log,) = Path(task_arguments["output_dir"]).rglob("metrics.csv")
    with log.open() as file:
        rates = [float(row["lr-AdamW/pg1"]) for row in csv.DictReader(file) if row.get("lr-AdamW/pg1")]
    assert len(rates) == 10
    assert rates[0] == max(rates) == pytest.approx(0.2)
    assert rates[-1] == pytest.approx(last, rel=0.02)


def test_jobs_of_a_sweep_that_differ_in_the_rows_alone_share_what_knows_no_rows(tmp_path):
    whole = composed(["task=docstrings", f"paths.outputs={tmp_path}"])
    whole = replace(whole, paths=replace(whole.paths, job=str(tmp_path / "job")))
    few = replace(whole, task=replace(whole.task, max_rows=8))
    assert finetuned_path(whole) != finetuned_path(few)
    assert augmented_path(whole) != augmented_path(few)
    assert general_path(whole) == general_path(few)
