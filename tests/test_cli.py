"""The door: what is printed, which exit code, what is imported."""

import os
import subprocess
import sys

import pytest
from hydra.errors import MissingConfigException

from tinydistill import __main__ as door
from tinydistill import __version__, stages
from tinydistill.config.errors import _PACKAGES, explain
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


@pytest.mark.parametrize("arguments", [["--help"], ["--cfg", "job"], ["--shell-completion", "query=bash"]])
def test_help_configuration_and_completion_import_no_torch(arguments):
    words = [sys.executable, "-X", "importtime", "-m", "tinydistill", *arguments]
    typed = {"COMP_LINE": "tinydistill stage=fine", "COMP_POINT": "22"}
    done = subprocess.run(words, capture_output=True, text=True, check=True, env={**os.environ, **typed})
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert ("hydra" in imported) == (arguments != ["--help"])
    assert not imported & {"torch", "pytorch_lightning", "transformers", "datasets", "wandb", "numpy"}
    assert {"--help": "Groups", "--cfg": "stage: general"}.get(arguments[0], "stage=finetune") in done.stdout


def test_the_version_is_our_own(run):
    assert run("--version") == (0, f"tinydistill {__version__}\n", "")


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
        ("general.lrr=1", "there is no option called general.lrr; there are general.accumulate_grad_batches, "),
        ("+general.lrr=1", "there is no option called general.lrr; there are general.accumulate_grad_batches, "),
        ("general.epochs=abc", "general.epochs: 'abc' is not a whole number"),
        ("general.learning_rate=abc", "general.learning_rate: 'abc' is not a number"),
        ("general.clip=1", "general.clip is no option any more; set general.gradient_clip_val"),
        ("general.gradient_clip_val=null", "general.gradient_clip_val can't be null"),
        ("general.batch_size=0", "general.batch_size=0 is too small: it must be at least 1"),
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


@pytest.mark.parametrize(("choice", "package"), _PACKAGES.items())
def test_a_plugin_that_is_not_installed_is_named_with_its_package(choice, package):
    error = MissingConfigException("not found", choice.replace("=", "/"), ["basic"])
    assert explain(error) == f"{choice} needs a package: pip install {package}"


def test_a_users_own_files_are_choices_of_the_groups(run, monkeypatch, tmp_path):
    for name, content in {
        "student/mine.yaml": "name: mine\nnum_layers: 2\nhidden_size: 24\nintermediate_size: 48\nlearning_rate: 1e-3\n",
        "callbacks/mine.yaml": "mine:\n  _target_: my_package.Mine\n  patience: 3\n",
        "corpus/mine.yaml": "name: mine\n_target_: my_package.MyCorpus\n",
    }.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(content)
    seen = []
    monkeypatch.setattr(stages, "run", lambda config: seen.append(config) or 0.0)
    mine = ["student=mine", "callbacks=[mine,early_stopping]", "corpus=mine", "callbacks.mine.patience=4"]
    assert run(f"--config-dir={tmp_path}", *mine)[0] == 0
    (config,) = seen
    assert (config.student.name, config.student.hidden_size, config.student.num_heads) == ("mine", 24, 12)
    assert config.callbacks["mine"] == {"_target_": "my_package.Mine", "patience": 4}
    assert config.callbacks.keys() == {"checkpoint", "learning_rate", "mine", "early_stopping"}
    assert config.corpus == {"name": "mine", "_target_": "my_package.MyCorpus"}
    code, _, err = run(f"--config-dir={tmp_path}", "student=mini")
    assert code == 2
    assert "student=mini: there is no such student (did you mean mine?)" in err
    code, _, err = run("--config-dir=/nowhere", "student=mine")
    assert code == 2
    assert "/nowhere" in err
    assert err.count("\n") == 1


def test_a_traceback_can_be_had_for_every_mistake():
    words = [sys.executable, "-m", "tinydistill", "general.epochs=abc"]
    done = subprocess.run(
        words, capture_output=True, text=True, env={**os.environ, "HYDRA_FULL_ERROR": "1"}, check=False
    )
    assert done.returncode == 2
    assert "Traceback" in done.stderr
