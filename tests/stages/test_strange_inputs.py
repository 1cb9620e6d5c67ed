"""Input that isn't what it seems, through the command line: one line, exit code 2, and nothing is made."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.stages.conftest import changed

FINETUNE = {"stage": "finetune"}
GENERAL = {
    "stage": "general",
    "general.max_length": "16",
    "task": None,
    "task.train": None,
    "task.validation": None,
    "task.max_length": None,
}
AUGMENT = {"stage": "augment"}


def pipe(file: Path) -> None:
    os.mkfifo(file)


def bytes_of(content: bytes) -> Callable[[Path], object]:
    return lambda file: file.write_bytes(content)


CASES: dict[str, tuple[Callable[[Path], object], dict[str, str | None], str]] = {
    "two rows": (
        bytes_of(b"text,label\na cat,cat\na dog,dog\n"),
        FINETUNE | {"task.train": "FILE.csv", "task.validation": None},
        "of its 2 rows none can be cut off for validation, as no label has two different texts: set task.validation",
    ),
    "a pipe of rows": (pipe, FINETUNE | {"task.train": "FILE.csv"}, "is a pipe, not a file: name a file in task.train"),
    "an unknown encoding": (
        bytes_of(b"text,label\n"),
        FINETUNE | {"task.train": "FILE.csv", "task.encoding": "base64"},
        "'base64' is not an encoding of text that Python knows: set task.encoding to one",
    ),
    "an unknown delimiter": (pipe, FINETUNE | {"task.delimiter": ";"}, "type 'task.delimiter=\";\"'"),
    "a pipe of text": (
        pipe,
        GENERAL | {"corpus": "files", "corpus.paths": "[FILE.txt]"},
        "is a pipe, not a file: name a file in corpus.paths",
    ),
    "zeros": (
        lambda file: file.symlink_to("/dev/zero"),
        GENERAL | {"corpus": "files", "corpus.paths": "[FILE.txt]"},
        "is a device, not a file: name a file in corpus.paths",
    ),
    "a pipe of vectors": (
        pipe,
        AUGMENT | {"augmentation.method": "neighbors", "augmentation.input": "FILE.csv"},
        "is a pipe, not a file: name a file in augmentation.input",
    ),
    "no stage": (pipe, {"~stage": "general"}, "stage has no value; set it with stage=VALUE"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_strange_input_is_one_line_and_makes_nothing(command, task_arguments, tmp_path, case):
    make, changes, expected = CASES[case]
    named = next((name for name in ("FILE.csv", "FILE.txt") if name in str(changes)), "FILE")
    make(tmp_path / named)
    replaced = {key: value and value.replace("FILE", f"{tmp_path}/FILE") for key, value in changes.items()}
    code, _, err = command(changed(task_arguments) | replaced)
    assert code == 2, err
    lines = [line for line in err.splitlines() if line.startswith("tinydistill: error: ")]
    assert len(lines) == 1
    assert expected in lines[0]
    assert "Traceback" not in err
    assert not list((tmp_path / "outputs").glob("**/provenance.json"))
