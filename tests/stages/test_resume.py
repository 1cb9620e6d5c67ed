"""Training that was stopped or killed in the middle of an epoch ends with the very weights of a run that wasn't."""

import json
import os
import shutil
import signal
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from safetensors.torch import load_file

from tests.stages.conftest import Cut
from tinydistill.distillation.layer_distiller import LayerDistiller
from tinydistill.distillation.logit_distiller import LogitDistiller, MergedDistiller
from tinydistill.training.classifier import Classifier
from tinydistill.training.masked_lm import MaskedLanguageModel

SAVED_EVERY = 3  # optimizer steps


class Run(NamedTuple):
    """What trains, the fixture of its arguments, where its training options stand, and more of its arguments."""

    module: type
    arguments: str
    options: str
    more: dict[str, str]
    batches: list[int]  # of its epochs
    cut: int  # before the batch of this number, in the middle of an epoch, and with two batches a step of a step


PRETRAIN = {
    "stage": "pretrain",
    "pretrain.max_length": "16",
    "pretrain.batch_size": "8",
    "pretrain.dropout": "0.1",
    "pretrain.heldout_fraction": "0.1",
}
FINETUNE = {
    "stage": "finetune",
    "finetune.batch_size": "16",
    "finetune.teacher.epochs": "2",
    "finetune.teacher.learning_rate": "2e-3",
}
TASK = "distillation_arguments"
RATES = {"finetune.teacher.learning_rate": "[1e-3,2e-3]"}
THREE = {"finetune.teacher.epochs": "3", "finetune.teacher.patience": "null"}
RUNS = {
    "general": Run(LayerDistiller, "arguments", "general", {"student.dropout": "0.1"}, [12], 11),
    "pretrain": Run(MaskedLanguageModel, "arguments", "pretrain", PRETRAIN, [12], 11),
    "finetune": Run(Classifier, "task_arguments", "finetune", FINETUNE, [10, 10], 17),
    "rates": Run(Classifier, "task_arguments", "finetune", FINETUNE | RATES | THREE, [10] * 6, 47),
    "intermediate": Run(LayerDistiller, TASK, "intermediate", {}, [6, 6], 9),
    "prediction": Run(LogitDistiller, TASK, "prediction", {}, [6, 6, 6], 9),
    "merged": Run(MergedDistiller, TASK, "prediction", {"distill.phases": "merged"}, [6, 6, 6], 9),
}


class Watch:
    """The batches that a module has begun to learn or measure, and what happens before the batch of a number."""

    def __init__(self, module: type, monkeypatch: pytest.MonkeyPatch, hook: str = "training_step"):
        self.seen: list[int] = []
        self.number, self.happens = -1, lambda: None
        step = getattr(module, hook)

        def watched(this: Any, batch: Any, batch_idx: int) -> Any:
            if len(self.seen) == self.number:
                self.number = -1
                self.happens()
            self.seen.append(batch_idx)
            return step(this, batch, batch_idx)

        monkeypatch.setattr(module, hook, watched)

    def before(self, number: int, happens: Callable[[], None]) -> None:
        self.seen.clear()
        self.number, self.happens = number, happens


def stopped() -> None:
    """An exception, upon which Lightning saves a checkpoint."""
    raise Cut


def killed() -> None:
    """Nothing is saved any more."""
    os.kill(os.getpid(), signal.SIGKILL)


def in_a_process(run: Callable[[], Any]) -> int:
    """The exit code of a copy of this process that runs something."""
    child = os.fork()
    if not child:
        try:
            run()
        except BaseException:
            traceback.print_exc()
        os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def figures(output: Path) -> Any:
    """The result without times."""

    def timeless(value: Any) -> Any:
        if isinstance(value, list):
            return [timeless(one) for one in value]
        return {k: timeless(v) for k, v in value.items() if k != "seconds"} if isinstance(value, dict) else value

    return timeless(json.loads((output / "result.json").read_text()))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("run", "accumulated"),
    [(RUNS["general"], 1), *((run, 2) for run in RUNS.values())],
    ids=["general", *(f"{name}, two batches a step" for name in RUNS)],
)
def test_a_run_that_was_cut_ends_as_if_it_had_not_been(run, accumulated, request, command, monkeypatch, tmp_path):
    output = tmp_path / "outputs" / "made"
    arguments = {
        **request.getfixturevalue(run.arguments),
        **run.more,
        f"{run.options}.accumulate_grad_batches": str(accumulated),
        "+callbacks.checkpoint.every_n_train_steps": str(SAVED_EVERY),
        "callbacks.checkpoint.train_time_interval": "null",
        "output_dir": str(output),
    }
    if run.arguments == "arguments":  # an epoch of text is long
        arguments[f"{run.options}.max_steps"] = str(run.batches[0] // accumulated)
    watch = Watch(run.module, monkeypatch)
    batches = [batch for epoch in run.batches for batch in range(epoch)]

    def finished(first: int) -> tuple[dict[str, Any], Any]:
        watch.seen.clear()
        code, out, err = command(arguments)
        assert code == 0, err
        assert ("going on from" in out) is (first > 0)
        assert watch.seen == batches[first:]
        found = load_file(output / "model.safetensors"), figures(output)
        shutil.rmtree(output)
        return found

    weights, result = finished(first=0)

    def ends_the_same(first: int) -> None:
        resumed, again = finished(first)
        assert [name for name, value in weights.items() if not resumed[name].equal(value)] == []
        assert again == result

    watch.before(run.cut, killed)
    assert in_a_process(lambda: command(arguments)) == -signal.SIGKILL
    watch.before(-1, killed)
    ends_the_same(first=run.cut // (SAVED_EVERY * accumulated) * SAVED_EVERY * accumulated)

    watch.before(run.cut, stopped)
    with pytest.raises(Cut):
        command(arguments)
    assert not output.exists()
    ends_the_same(first=run.cut)


@pytest.mark.parametrize(("callbacks", "number"), [("none", 1), ("weight_averaging", 1), ("none", 2), ("none", 3)])
def test_a_validation_that_was_cut_is_made_again(callbacks, number, task_arguments, command, monkeypatch):
    arguments = {**task_arguments, **FINETUNE, "finetune.teacher.epochs": "3", "callbacks": callbacks}
    output = Path(arguments["output_dir"])
    watch = Watch(Classifier, monkeypatch, "validation_step")
    assert command(arguments)[0] == 0
    assert watch.seen == [0] * 4  # every epoch's, and one with the best weights
    weights, result = load_file(output / "model.safetensors"), figures(output)
    shutil.rmtree(output)
    watch.before(number, stopped)
    with pytest.raises(Cut):
        command(arguments)
    watch.before(-1, stopped)
    code, out, err = command(arguments)
    assert code == 0, err
    assert "going on from" in out
    assert watch.seen == [0] * (4 - number)
    resumed = load_file(output / "model.safetensors")
    assert [name for name, value in weights.items() if not resumed[name].equal(value)] == []
    assert figures(output) == result


def test_training_that_has_ended_early_does_not_begin_again(task_arguments, command, monkeypatch):
    still = {"finetune.teacher.learning_rate": "0", "finetune.teacher.epochs": "5", "finetune.teacher.patience": "1"}
    saved = {"+callbacks.checkpoint.every_n_epochs": "1", "callbacks.checkpoint.train_time_interval": "null"}
    arguments = {**task_arguments, **FINETUNE, **still, **saved}
    learned, measured = Watch(Classifier, monkeypatch), Watch(Classifier, monkeypatch, "validation_step")
    measured.before(2, killed)  # when the best weights are scored, after two epochs
    assert in_a_process(lambda: command(arguments)) == -signal.SIGKILL
    measured.before(-1, killed)
    code, out, err = command(arguments)
    assert code == 0, err
    assert "going on from" in out
    assert learned.seen == []
    found = figures(Path(arguments["output_dir"]))
    assert (found["steps"], found["best_step"], len(found["epochs"])) == (20, 10, 2)
