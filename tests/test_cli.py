"""The door: what is printed, which exit code, what is imported."""

import subprocess
import sys
from unittest.mock import Mock

import pytest
from hydra.errors import MissingConfigException

from tinydistill import __main__ as door
from tinydistill.config.errors import explain
from tinydistill.config.schema import STAGES


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs the command line in this process; returns (exit code, stdout, stderr)."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tinydistill", *arguments])
        try:
            door.main()
            code = 0
        except SystemExit as stop:
            code = 1 if isinstance(stop.code, str) else int(stop.code or 0)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


@pytest.mark.parametrize("arguments", [["--help"], ["--cfg", "job"]])
def test_help_and_configuration_are_printed_without_importing_torch(arguments):
    command = [sys.executable, "-X", "importtime", "-m", "tinydistill", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "hydra" in imported
    assert not imported & {"torch", "pytorch_lightning", "transformers", "datasets", "wandb", "numpy"}
    assert done.stdout.strip()


def test_help_lists_stages_groups_and_examples(run):
    code, out, _ = run("--help")
    assert code == 0
    for stage, meaning in STAGES.items():
        assert f"  {stage:9}  {meaning}" in out
    assert "corpus: docstrings, files, wikipedia, wikitext103, wikitext2" in out
    assert "tinydistill corpus=files 'corpus.paths=[TEXTS]'" in out


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("corpsu=files", "there is no option or group called corpsu (did you mean corpus?)"),
        ("corpus=fils", "corpus=fils: there is no such corpus (did you mean files?); there are docstrings, files,"),
        ("stage=genral", "stage=genral: there is no such stage (did you mean general?)"),
        ("student.hiden_size=3", "no option or group called student.hiden_size (did you mean student.hidden_size?)"),
        ("general.lrr=1", "there is no option called general.lrr; there are general.accumulate, "),
        ("general.epochs=abc", "general.epochs: 'abc' is not a whole number"),
        ("general.learning_rate=abc", "general.learning_rate: 'abc' is not a number"),
        ("general.clip=null", "general.clip: "),
        ("mapping=list", "mapping.layers has no value; set it with mapping.layers=VALUE"),
        ("corpus.paths=[a", "can't read the override 'corpus.paths=[a'; quote lists for the shell"),
        ("student.num_heads=5", "student.num_heads=5 doesn't divide student.hidden_size=192"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(run, override, message):
    code, out, err = run(override)
    assert code == 2
    assert out == ""
    assert err.startswith("tinydistill: error: ")
    assert message in err
    assert err.count("\n") == 1


def test_an_interruption_is_one_line_and_the_shells_exit_code(run, monkeypatch):
    monkeypatch.setattr(door, "_run", Mock(side_effect=KeyboardInterrupt))
    assert run() == (130, "", "tinydistill: interrupted; the same command goes on from the last checkpoint\n")


@pytest.mark.parametrize(("choice", "extra"), [("launcher/joblib", "sweep"), ("sweeper/optuna", "optuna")])
def test_a_plugin_that_is_not_installed_is_named_with_its_package(choice, extra):
    error = MissingConfigException("not found", f"hydra/{choice}", ["basic"])
    name = choice.replace("/", "=")
    assert explain(error) == f"hydra/{name} needs a package: pip install 'tinydistill[{extra}]'"


def test_a_traceback_can_be_had_for_every_mistake():
    command = [sys.executable, "-m", "tinydistill", "general.epochs=abc"]
    done = subprocess.run(command, capture_output=True, text=True, env={"HYDRA_FULL_ERROR": "1"}, check=False)
    assert done.returncode == 2
    assert "Traceback" in done.stderr
