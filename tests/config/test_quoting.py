"""What a line tells one to type, typed into a shell, is taken for what was meant."""

import re
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinydistill.config.compose import composed
from tinydistill.config.errors import explain
from tinydistill.config.schema import Config
from tinydistill.config.schema.option import options

NAMES = (
    *("data (1).csv", "don't.csv", "a=b.csv", "a,b.csv", "a{b}.csv", "[x].csv", 'q"q.csv', 'it\'s "x" (1).csv'),
    *("semi;colon.csv", "back\\slash (1).csv", "end (\\", "a&b(c).csv", "`id`(1).csv", "!x(1).csv"),
)


def line_of(*overrides: str) -> str:
    """The one line that a command line comes to; empty where it is a configuration."""
    try:
        composed(overrides)
    except Exception as error:
        line = explain(error)
        if line is None:
            raise
        assert "\n" not in line
        return line
    return ""


def in_a_shell(words: str) -> list[str]:
    """What a program gets that is started with these words."""
    return subprocess.run(["sh", "-c", f"printf '%s\\n' {words}"], capture_output=True, text=True).stdout.splitlines()


@pytest.mark.parametrize("name", NAMES)
def test_a_file_name_that_hydra_cannot_read_comes_with_the_words_to_type(name):
    line = line_of("task=files", f"task.train={name}")
    words = re.search(r"type ('task.train=.*)$", line)
    assert words is not None, line
    assert composed(["task=files", *in_a_shell(words[1])]).task.train == name


def test_a_list_with_such_a_name_too():
    line = line_of("corpus=files", "corpus.paths=[a b (1).txt,c.txt]")
    typed = in_a_shell(line.split("; type ")[1])
    assert composed(["corpus=files", *typed]).corpus["paths"] == ["a b (1).txt", "c.txt"]


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["~stage"], "stage has no value; set it with stage=VALUE"),
        (["task=files", "task.train=???"], "task.train has no value; set it with task.train=VALUE"),
        (["task=files", "task.train"], "an option is set as OPTION=VALUE"),
        (["task=files", "task.train=a\udcff.csv"], "is not UTF-8; rename the file"),
        (["task=files", "task.train='a\udcff.csv'"], "is not UTF-8: rename the file"),
        (["mapping.layers=[1,2"], "quote lists for the shell, as in 'mapping.layers=[a,b]'"),
        (["seed=1,2"], "seed=1,2 has several values: add --multirun to sweep over them"),
        (["seed=" + "9" * 5000], "a number on the command line has too many digits"),
        (["task.metrics=accuracy"], "task.metrics is a list; write 'task.metrics=[VALUE,VALUE]'"),
        (["task.delimiter=dot"], "task.delimiter=dot is not one of comma, semicolon, tab, pipe"),
        (
            ["output_dir=${oc.env:NO_SUCH_VARIABLE}"],
            "output_dir is what the variable NO_SUCH_VARIABLE says, which isn't set",
        ),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line_with_its_cause(overrides, expected):
    line = line_of(*overrides)
    assert expected in line
    assert "full_key" not in line


OPTIONS = sorted(options(Config))
VALUES = st.sampled_from(
    [
        *("null", "", "x", "-1", "0", "1.5", "1e400", "nan", "inf", "true", "[a]", "{a:1}", "[", "a b", "a,b", "???"),
        *("${x}", "${seed}", "'q'", '"', "\\", "9" * 30, "(", "é", "a=b", "*", "@", "~", "[[1]]", "{}", "[]"),
    ]
)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(["", "+", "++", "~"]), st.sampled_from(OPTIONS), VALUES), max_size=2))
def test_any_options_are_a_configuration_or_one_line(words):
    line_of(*(f"{prefix}{option}={value}" for prefix, option, value in words))
