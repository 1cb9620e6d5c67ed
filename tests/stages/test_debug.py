"""conf/debug: runs that are tried on less than everything."""

import json
from pathlib import Path

import pytest

from tests.conftest import sentences
from tests.stages.conftest import changed


@pytest.fixture
def general(arguments, command):
    return lambda **changes: command(changed(arguments, **changes))


@pytest.fixture
def finetune(task_arguments, command):
    return lambda **changes: command(changed({**task_arguments, "stage": "finetune"}, **changes))


def result(arguments: dict[str, str]) -> dict:
    return json.loads((Path(arguments["output_dir"]) / "result.json").read_text())


def test_one_batch_is_learned_again_and_again_and_its_loss_falls(general, arguments):
    code, out, _ = general(debug="overfit", general__max_steps="30", general__learning_rate="0.02")
    assert code == 0
    assert "one batch, learned 30 times: its loss went from" in out
    assert result(arguments)["steps"] == 30


def test_a_batch_that_cannot_be_learned_is_a_failed_run(general, arguments):
    code, _, err = general(debug="overfit", general__max_steps="4", general__learning_rate="0")
    assert code == 2
    assert "one batch, learned 4 times: its loss went from" in err
    assert not Path(arguments["output_dir"]).exists()


def test_a_share_of_the_batches_of_text(general, arguments, tmp_path):
    (tmp_path / "few.txt").write_text("\n\n".join(sentences(120)) + "\n")
    whole = {"corpus__paths": f"[{tmp_path / 'few.txt'}]", "general__max_steps": None}
    general(**whole)
    every = result(arguments)["steps"]
    assert general(**whole, debug="limit", trainer__limit_train_batches="0.25")[0] == 0
    assert result(arguments)["steps"] == every // 4


def test_a_share_of_the_batches_of_a_task(finetune, task_arguments):
    code, _, err = finetune(debug="limit", trainer__limit_train_batches="0.4")
    assert code == 0, err
    assert result(task_arguments)["steps"] == 2 * 3


def test_a_share_that_is_less_than_a_batch_is_one_clear_line(finetune):
    code, _, err = finetune(debug="limit")
    assert code == 2
    assert "0.05 of the `train_dataloader` but 0.05 * 5 < 1. Please increase the `limit_train_batches`" in err
    assert err.count("\n") == 1


def test_a_trial_is_made_anew_each_time(finetune, task_arguments):
    first, second = (finetune(debug="fast", task__max_rows="16") for _ in range(2))
    assert first[0] == second[0] == 0
    assert "finished before" not in second[1]
    assert result(task_arguments)["rows"] == {"train": 16, "validation": 16}
    assert "step 2/2" in second[1]


def test_the_profilers_table_is_among_the_logs(general, arguments):
    code, _, err = general(debug="profile", general__max_steps="6", general__heldout_blocks="16")
    assert code == 0, err
    table = (Path(arguments["output_dir"]) / "logs" / "fit-profile.txt").read_text()
    assert "Self CPU" in table
    for seen in ("SingleDeviceStrategy.training", "tinydistill.distillation.imitation", "Optimizer.step#AdamW.step"):
        assert seen in table
