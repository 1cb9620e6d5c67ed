"""conf/debug: runs that are tried on less than everything."""

import json
from pathlib import Path

import pytest

from tests.stages.conftest import changed


@pytest.fixture
def general(arguments, command):
    return lambda **changes: command(changed(arguments, **changes))


@pytest.fixture
def finetune(task_arguments, command):
    return lambda **changes: command(changed({**task_arguments, "stage": "finetune"}, **changes))


def result(arguments: dict[str, str]) -> dict:
    return json.loads((Path(arguments["output_dir"]) / "result.json").read_text())


def test_one_batch_is_learnt_again_and_again_and_its_loss_falls(general, arguments):
    code, out, _ = general(debug="overfit", general__max_steps="30", general__learning_rate="0.02")
    assert code == 0
    assert "one batch, learnt 30 times: its loss went from" in out
    assert result(arguments)["steps"] == 30


def test_a_batch_that_cannot_be_learnt_is_a_failed_run(general, arguments):
    code, _, err = general(debug="overfit", general__max_steps="4", general__learning_rate="0")
    assert code == 2
    assert "one batch, learnt 4 times: its loss went from" in err
    assert not Path(arguments["output_dir"]).exists()


def test_a_share_of_the_steps_on_text(general, arguments):
    general(general__max_steps=None)
    every = result(arguments)["steps"]
    code, _, err = general(general__max_steps=None, debug__share="0.25")
    assert code == 2
    assert "debug.share: None -> 0.25" in err
    assert general(general__max_steps=None, debug="limit", debug__share="0.25")[0] == 0
    assert result(arguments)["steps"] == round(every / 4)


def test_a_share_of_the_rows_of_a_task(finetune, task_arguments):
    code, _, _ = finetune(debug="limit", debug__share="0.25")
    assert code == 0
    assert result(task_arguments)["rows"] == {"train": 40, "validation": 10}


def test_a_debugging_run_is_done_again_each_time(finetune):
    first, second = (finetune(debug="fast", debug__rows="16") for _ in range(2))
    assert first[0] == second[0] == 0
    assert "finished before" not in second[1]
    assert "step 2/2" in second[1]


def test_the_profilers_table_is_among_the_logs(general, arguments):
    code, _, _ = general(debug="profile", general__max_steps="10")
    assert code == 0
    table = (Path(arguments["output_dir"]) / "logs" / "profile.txt").read_text()
    assert "Self CPU" in table
    for model in ("teacher.forward", "student.forward", "objective.forward"):
        assert model in table
