"""The commands of the README and of the tutorial are run in their order, on tiny models and little data."""

import re
import shlex
import sys

import pytest

from tests.stages.conftest import animal_rows, write_csv
from tests.test_readme import ROOT, commands_in, commands_on
from tinydistill import __main__ as door

TUTORIAL = ROOT / "docs" / "tutorial.md"


@pytest.fixture
def run(monkeypatch, capsys, tmp_path, teacher_dir, text_file, glue):
    """Runs a documented command in an empty directory; what is too large or not at hand is replaced."""
    monkeypatch.chdir(tmp_path)
    rows = write_csv(tmp_path / "animals.csv", animal_rows(60, 0))
    in_place_of = {
        "FILE.csv": rows,
        "GENERAL_STUDENT": "outputs/general/teacher_tinybert4_uniform_tinybert_files",
        "YOUR_FINE_TUNED": str(teacher_dir),
        "MY_MODEL": "outputs/finetune/teacher_files",  # which the pipeline above it makes
        "DIR": "outputs/finetune/teacher_files",
        "COLUMN": "",
    }
    small = {
        "debug": "fast",
        "paths.outputs": "outputs",
        "teacher.path": str(teacher_dir),
        "student.num_layers": "2",
        "student.hidden_size": "16",
        "student.intermediate_size": "32",
        "student.num_heads": "4",
        "corpus": "files",
        "corpus.paths": f"[{text_file}]",
        "paths.glue": str(glue),
        "pipeline.glue": "[mrpc]",
        "general.max_length": "16",
        "pretrain.max_length": "16",
        "task.max_length": "16",
        "general.max_steps": "2",
        "intermediate.max_steps": "2",
        "prediction.max_steps": "2",
        "export.formats": "[]",
        "export.page": "false",  # of int8
        "search.num_layers": "[2]",
        "search.hidden_size": "[8,16]",
        "search.target_ms": "1000",
        "search.runtime": "pytorch",
        "pipeline.baseline": "false",
        "pipeline.report": "false",
        "report.sweeps": "false",
        "trainer": "cpu",
    }

    def call(command: str) -> str:
        words = shlex.split(command)
        given = dict(word.split("=", 1) for word in words if "=" in word)
        given = {key: in_place_of.get(value, value) for key, value in given.items()}
        if given.get("task") == "docstrings" or given.get("experiment") == "quickstart":
            given |= {"task": "files", "task.train": rows}
        if given.get("task.text") == "":
            given |= {"task.text": "text", "task.label": "label"}
        given |= small
        if given.get("mapping") == "list":
            given["mapping.layers"] = "[2,4]"
        if given.get("objective") == "minilmv2" or given.get("experiment") == "minilmv2":
            given |= {"objective.relation_heads": "4", "student.init": "random"}
        flags = [word for word in words if "=" not in word]
        monkeypatch.setattr(sys, "argv", ["tinydistill", *flags, *(f"{key}={value}" for key, value in given.items())])
        try:
            door.main()
        except SystemExit as stop:
            printed = capsys.readouterr()
            pytest.fail(f"{command} -> {sys.argv[1:]} ends with {stop.code}: {printed.err}")
        return capsys.readouterr().out

    return call


@pytest.mark.slow
def test_every_command_of_the_readme_runs(run):
    commands = commands_on(ROOT / "README.md")
    assert len(commands) > 15
    for command in commands:
        if "experiment=" in command or "_target_=" in command:  # test_experiments.py runs those; these are the reader's
            continue
        if command == "stage=pipeline" or "pipeline.budget" in command:  # on real text; test_budget.py runs that
            continue
        if "task=tag_files" in command:  # on a file that test_tags.py makes
            continue
        assert "artifact: " in run(command), command


@pytest.mark.slow
def test_the_tutorial_runs_from_its_first_line_to_its_last(run, tmp_path):
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", TUTORIAL.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) > 6
    for language, block in blocks:
        if language == "python":
            block = block.replace("all-minilm-l6-v2", "teacher").replace('"outputs/', f'"{tmp_path}/outputs/')
            exec(compile(block, str(TUTORIAL), "exec"), {})
        for command in commands_in(block) if language != "python" else ():
            assert "artifact: " in run(command), command
    assert (tmp_path / "outputs/evaluate").is_dir()
