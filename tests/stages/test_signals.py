"""Signals to every stage: what is saved, what is said, the exit code, and what the same command makes in the end."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pytorch_lightning.trainer.connectors.checkpoint_connector import _CheckpointConnector
from safetensors.torch import load_file
from transformers import AutoConfig, BertForMaskedLM

from tests.stages.test_resume import FINETUNE, PRETRAIN, figures
from tinydistill import signals
from tinydistill.artifacts import writer
from tinydistill.augmentation.candidates import CandidateFinder
from tinydistill.config import sweep
from tinydistill.data.text import tokenized
from tinydistill.distillation import layer_phase
from tinydistill.distillation.layer_distiller import LayerDistiller
from tinydistill.distillation.logit_distiller import LogitDistiller
from tinydistill.initialization import start
from tinydistill.models.loading import save_model
from tinydistill.stages import benchmark, evaluate, export, report
from tinydistill.training.classifier import Classifier
from tinydistill.training.masked_lm import MaskedLanguageModel
from tinydistill.training.progress import Progress


@pytest.fixture(autouse=True)
def no_sweep_is_begun(default_handlers, monkeypatch):
    monkeypatch.setattr(sweep, "_unsummed", [])


@pytest.fixture(autouse=True)
def a_process_of_tests_lives_on(monkeypatch):
    """What would end it fails the test."""
    tests, ends = os.getpid(), os._exit

    def _exit(code: int) -> None:
        if os.getpid() != tests:
            ends(code)
        pytest.fail(f"a second signal has come: exit {code}")

    monkeypatch.setattr(os, "_exit", _exit)


def in_fit(this: Any, *_: Any) -> bool:
    return this.trainer.state.fn == "fit"


def in_the_last(this: Any, *_: Any) -> bool:
    return this.trainer.global_step == STEPS - 1


def send_before(
    patch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    number: int,
    signum: int,
    counts: Callable[..., bool] = lambda *_: True,
) -> None:
    """Send a signal to this process before a function is called for the time of this number, from 0."""
    function, calls = getattr(owner, name), []

    def call(*arguments: Any, **options: Any) -> Any:
        if counts(*arguments):
            calls.append(name)
            if len(calls) == number + 1:
                assert signal.getsignal(signum) not in (signal.SIG_DFL, None)
                os.kill(os.getpid(), signum)
        return function(*arguments, **options)

    patch.setattr(owner, name, call)


def sentence(stage: str, signum: int) -> str:
    name = signal.Signals(signum).name
    return f"tinydistill: {stage} was stopped by {name}; the same command goes on from there\n"


STEPS = 12
# in the order in which a run, begun again after each, comes to them
MOMENTS = {
    "while the corpus is read": (tokenized, "batched", 0, signal.SIGTERM),
    "in the closed form": (start, "solve_student", 0, signal.SIGINT),
    "in the losses before": (LayerDistiller, "validation_step", 3, signal.SIGHUP),
    "in the first step": (LayerDistiller, "training_step", 0, signal.SIGTERM),
    "between a step of the optimizer and its count": (Progress, "on_train_batch_end", 2, signal.SIGINT),
    "between two groups of a step of the optimizer": (import_module("torch.optim.adam"), "adam", 1, signal.SIGTERM),
    "while a checkpoint is restored": (_CheckpointConnector, "restore_training_state", 0, signal.SIGTERM),
    "in a step in the middle": (LayerDistiller, "training_step", 2, signal.SIGHUP),
    "in a validation": (LayerDistiller, "validation_step", 2, signal.SIGTERM, in_fit),
    "in the last step": (LayerDistiller, "training_step", 0, signal.SIGINT, in_the_last),
    "in the losses after": (layer_phase, "end", 0, signal.SIGHUP),
    "while it is published": (writer, "surroundings", 0, signal.SIGTERM),
}


@pytest.mark.slow
def test_a_run_that_is_stopped_at_every_moment_ends_as_if_it_had_not_been(arguments, command, monkeypatch):
    arguments |= {"general.val_check_interval": "0.05", "general.max_steps": str(STEPS)}
    output = Path(arguments["output_dir"])
    for moment, (owner, name, number, signum, *counts) in MOMENTS.items():
        with monkeypatch.context() as patch:
            send_before(patch, owner, name, number, signum, *counts)
            code, _, err = command(arguments)
        assert (code, err) == (128 + signum, sentence("stage=general", signum)), moment
        assert not output.exists(), moment
    assert command(arguments)[0] == 0
    stopped, result = load_file(output / "model.safetensors"), figures(output)
    shutil.rmtree(output)
    code, out, _ = command(arguments)
    assert code == 0
    assert "going on from" not in out
    alone = load_file(output / "model.safetensors")
    assert [name for name, value in alone.items() if not stopped[name].equal(value)] == []
    assert result == figures(output)


TASK = "distillation_arguments"
STAGES = {
    "pretrain": ("arguments", PRETRAIN, MaskedLanguageModel, "training_step"),
    "finetune": ("task_arguments", FINETUNE, Classifier, "training_step"),
    "task": (TASK, {"distill.phases": "prediction"}, LogitDistiller, "training_step"),
    "augment": (TASK, {"augmentation.model": "{masked}"}, CandidateFinder, "predict_step"),
    "evaluate": (TASK, {"evaluate.path": "{made}/teacher"}, evaluate.data, "task_of_model"),
    "export": (
        TASK,
        {"export.path": "{made}/teacher", "export.latency.lengths": "[8]"},
        export.onnx_files,
        "write_source",
    ),
    "report": (TASK, {}, report, "collect"),
    "benchmark": ("arguments", {}, benchmark, "measure"),
    "pipeline": (TASK, {"pipeline.latency_length": "8"}, Classifier, "training_step"),
}


@pytest.fixture
def masked(made, tokenizer, tmp_path) -> Path:
    model = BertForMaskedLM(AutoConfig.from_pretrained(made / "student"))
    save_model(model, tokenizer, tmp_path / "masked")
    return tmp_path / "masked"


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_is_stopped_with_the_same_sentence(stage, request, command, monkeypatch, made, masked):
    fixture, more, owner, name = STAGES[stage]
    given = request.getfixturevalue(fixture) | {k: v.format(made=made, masked=masked) for k, v in more.items()}
    send_before(monkeypatch, owner, name, 0, signal.SIGTERM)
    code, out, err = command({**given, "stage": stage})
    assert (code, err) == (143, sentence(f"stage={stage}", signal.SIGTERM))
    assert "artifact: " not in out


@pytest.mark.parametrize("number", [0, 12], ids=["first", "second"])
def test_a_sweep_is_stopped_with_its_job(number, task_arguments, command, monkeypatch):
    send_before(monkeypatch, Classifier, "training_step", number, signal.SIGTERM)
    several = {**task_arguments, **FINETUNE, "finetune.teacher.epochs": "1", "seed": "0,1,2", "output_dir": None}
    several |= {"hydra.mode": "MULTIRUN", "report.sweeps": "false"}
    code, _, err = command(several)
    assert (code, err) == (143, sentence("the sweep", signal.SIGTERM))
    jobs = Path(task_arguments["paths.outputs"]).glob("sweeps/*/*/job.json")
    errors = [json.loads(file.read_text())["error"] for file in sorted(jobs)]
    assert errors == [None] * (number > 0) + ["cut off; the same command goes on"]


def test_a_terminal_that_reads_no_more_stops_training_between_two_steps(task_arguments, command, monkeypatch, tmp_path):
    lost = Progress.on_train_batch_end

    def on_train_batch_end(this: Progress, trainer: Any, *rest: Any) -> None:
        if trainer.global_step == 4:
            monkeypatch.setattr(signals.select, "poll", lambda: NobodyReads())
            try:
                raise BrokenPipeError
            except BrokenPipeError:
                signals.broken_pipe()
        lost(this, trainer, *rest)

    class NobodyReads:
        def register(self, descriptor: int, events: int) -> None:
            pass

        def poll(self, seconds: int) -> list[tuple[int, int]]:
            return [(os.open(tmp_path / "lost", os.O_CREAT), signals.select.POLLERR)]

    monkeypatch.setattr(Progress, "on_train_batch_end", on_train_batch_end)
    code, _, err = command({**task_arguments, **FINETUNE})
    assert (code, err) == (141, sentence("stage=finetune", signal.SIGPIPE))
    (checkpoint,) = tmp_path.glob("outputs/*.unfinished/**/last.ckpt")
    assert checkpoint.stat().st_size


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "signum", "send"),
    [
        ({"trainer.devices": "2", "trainer.strategy": "ddp"}, signal.SIGTERM, os.kill),
        ({"runtime.num_workers": "2"}, signal.SIGINT, os.killpg),  # as a terminal does
    ],
    ids=["to the first of two processes", "to workers as well"],
)
def test_processes_that_belong_together_stop_together(more, signum, send, arguments, tmp_path):
    given = {**arguments, **more, "general.max_steps": "100000", "general.epochs": "1000"}
    words = [f"{option}={value}" for option, value in given.items()]
    process = subprocess.Popen(
        [sys.executable, "-m", "tinydistill", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    assert any(line.startswith("plan: ") for line in process.stdout)
    time.sleep(2.0)
    send(process.pid, signum)
    _, err = process.communicate(timeout=240)
    assert (process.returncode, err) == (128 + signum, sentence("stage=general", signum))
    (checkpoint,) = tmp_path.glob("outputs/*.unfinished/**/last.ckpt")
    assert checkpoint.stat().st_size
    with pytest.raises(ProcessLookupError):
        for _ in range(100):  # the others end a moment later
            os.killpg(process.pid, 0)
            time.sleep(0.1)


READS_AND_ENDS = """
import sys
from tinydistill.data.loading import BatchLoader

batches = iter(BatchLoader(range(100), range(100), num_workers=2))
next(batches)
sys.exit(5)
"""


@pytest.mark.slow
def test_a_process_ends_though_its_workers_heed_no_signal_and_something_still_holds_them():
    ended = subprocess.run([sys.executable, "-c", READS_AND_ENDS], timeout=60, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (5, "")
