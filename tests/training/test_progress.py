import io
from types import SimpleNamespace

import pytest
import torch

from tinydistill.console import Meter, count, duration
from tinydistill.training import progress
from tinydistill.training.progress import Progress, shown_losses


class FakeModule:
    def __init__(self):
        self.logged = {}

    def log(self, name, value, **_):
        self.logged[name] = value


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(time=100.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now.time)
    monkeypatch.setattr(progress.sys, "stderr", io.StringIO())
    return now


def run(clock, capsys, steps=4, seconds=20.0, **options) -> tuple[list[str], dict[str, float]]:
    trainer = SimpleNamespace(
        global_step=0,
        world_size=1,
        is_global_zero=True,
        callback_metrics={},
        estimated_stepping_batches=steps,
        datamodule=None,
    )
    module, shown = FakeModule(), Progress(**options)
    shown.on_train_start(trainer, module)
    for step in range(1, steps + 1):
        clock.time += seconds
        trainer.global_step = step
        trainer.callback_metrics = {"train/loss": torch.tensor(2.0), "train/raw/hidden/1": torch.tensor(0.5)}
        shown.on_train_batch_end(trainer, module, None, {"input_ids": torch.zeros(10, 100)}, step - 1)
    return capsys.readouterr().out.splitlines(), module.logged


def test_without_a_terminal_a_plain_line_now_and_then_tells_speed_time_left_and_losses(clock, capsys):
    (plan, *lines), logged = run(clock, capsys)
    assert plan == "plan: 4 steps"
    assert lines[0] == "step 1/4  50 tokens/s  1:00 left  loss 2.000  hidden 0.500"
    assert lines[-1].startswith("step 4/4")
    assert logged.pop("memory/peak_gb") > 0.1
    assert logged == {"speed/tokens_per_second": 50.0}


def test_fast_steps_share_a_line_and_the_last_step_always_has_one(clock, capsys):
    (_, *lines), _ = run(clock, capsys, steps=10, seconds=4.0)
    assert [line.split()[1] for line in lines] == ["4/10", "8/10", "10/10"]


def test_progress_can_be_switched_off(clock, capsys):
    lines, logged = run(clock, capsys, shown=False)
    assert lines == []
    assert logged


def test_losses_are_shown_as_unexplained_variance_where_there_is_one():
    metrics = {
        "train/loss": 3.0,
        "train/raw/hidden/1": 7.0,
        "train/raw/relation/2": 0.125,
        "train/unexplained/hidden/1": 0.5,
        "train/unexplained/hidden/2": 0.25,
        "train/gradient_norm": 9.0,
        "heldout/loss": 9.0,
    }
    assert shown_losses(metrics) == "loss 3.000  hidden 0.375  relation 0.125"


@pytest.mark.parametrize(("number", "text"), [(950, "950"), (7_300, "7.3 k"), (22.7e6, "22.7 M"), (1.5e9, "1.5 G")])
def test_large_numbers_are_short(number, text):
    assert count(number) == text


@pytest.mark.parametrize(("seconds", "text"), [(7, "7s"), (185, "3:05"), (7385, "2:03:05")])
def test_durations_read_as_people_write_them(seconds, text):
    assert duration(seconds) == text


def test_after_a_few_steps_a_run_says_how_long_it_takes(clock, capsys):
    (_, *lines), _ = run(clock, capsys, steps=30, seconds=2.0)
    assert [line for line in lines if not line.startswith("step")] == ["at 2.00 s a step this takes about 1:00"]
    assert lines.index("at 2.00 s a step this takes about 1:00") <= 1


def test_a_short_run_needs_no_estimate(clock, capsys):
    (_, *lines), _ = run(clock, capsys, steps=30, seconds=0.1)
    assert not [line for line in lines if not line.startswith("step")]


def test_a_meter_shows_nothing_of_what_is_done_in_seconds(clock, capsys):
    with Meter("counting", "row", 100) as meter:
        for _ in range(100):
            clock.time += 0.04
            meter.update()
    assert capsys.readouterr().out == ""


def test_a_meter_tells_now_and_then_how_far_a_long_piece_of_work_is(clock, capsys):
    with Meter("counting", "row", 100) as meter:
        for _ in range(100):
            clock.time += 1
            meter.update()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "counting: 5 of 100 rows  1:35 left"
    assert [int(line.split()[1]) for line in lines] == [5, 20, 35, 50, 65, 80, 95]
    with Meter("reading", "character") as meter:
        clock.time += 6
        meter.update(3_000_000)
    assert capsys.readouterr().out == "reading: 3.0 M characters\n"


@pytest.mark.parametrize("kind", ["validation", "predict"])
def test_an_evaluation_is_counted_in_batches_of_all_loaders(clock, capsys, kind):
    trainer = SimpleNamespace(num_val_batches=[2, 3], num_predict_batches=[5])
    shown = Progress()
    getattr(shown, f"on_{kind}_start")(trainer, None)
    for batch in range(5):
        clock.time += 4
        getattr(shown, f"on_{kind}_batch_end")(trainer, None, None, {}, batch)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith("2 of 5 batches  12s left")


def test_a_prediction_may_be_counted_in_units_of_its_own(clock, capsys):
    trainer = SimpleNamespace(num_predict_batches=[3], world_size=2)
    shown = Progress(questions=50, unit="word")
    shown.on_predict_start(trainer, None)
    for batch in range(3):
        clock.time += 6
        shown.on_predict_batch_end(trainer, None, 10, {}, batch)
    assert capsys.readouterr().out.splitlines() == ["predicting: 20 of 50 words  9s left"]
