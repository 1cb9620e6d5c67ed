"""Signals and broken streams, where nothing has been loaded yet: real ones, to real processes."""

import contextlib
import os
import pty
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tinydistill import __main__ as door
from tinydistill import signals

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


pytestmark = pytest.mark.usefixtures("default_handlers")


@pytest.fixture
def taken(default_handlers):
    signals.take()
    yield
    signals.give_back()


def handlers() -> list[object]:
    return [signal.getsignal(signum) for signum in STOPPING]


def begun(then: str, **options: object) -> subprocess.Popen[str]:
    """A process that handles signals and has said so."""
    lines = ["import sys, time", "from tinydistill import signals", "signals.take()", "print('ready', flush=True)"]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    process = subprocess.Popen([sys.executable, "-c", "\n".join([*lines, then])], **options)
    if process.stdout:
        assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("signum", STOPPING, ids=lambda signum: signum.name)
def test_a_run_ends_with_one_sentence_and_128_plus_the_signal(signum, monkeypatch, capsys):
    before = handlers()

    def run() -> None:
        signals.running.append("stage=general")
        os.kill(os.getpid(), signum)
        pytest.fail("went on")

    monkeypatch.setattr(door, "_run", run)
    with pytest.raises(SystemExit) as stopped:
        door.main()
    assert stopped.value.code == 128 + signum
    said = f"tinydistill: stage=general was stopped by {signum.name}; the same command goes on from there\n"
    assert capsys.readouterr().err == said
    assert handlers() == before


def test_a_signal_that_something_keeps_to_itself_is_no_success(monkeypatch):
    def run() -> None:
        with contextlib.suppress(BaseException):
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(door, "_run", run)
    with pytest.raises(SystemExit) as stopped:
        door.main()
    assert stopped.value.code == 143


def test_of_several_processes_the_first_alone_says_how_it_ended(monkeypatch, capsys):
    def run() -> None:
        signals.running.append("stage=general")
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(door, "_run", run)
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(SystemExit) as stopped:
        door.main()
    assert (stopped.value.code, capsys.readouterr().err) == (0, "")


def test_importing_changes_no_handler():
    code = "import signal, tinydistill, tinydistill.signals\nassert signal.getsignal(1) == signal.SIG_DFL == 0"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_is_ignored_stays_ignored_as_under_nohup():
    process = begun("time.sleep(1.0)", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.send_signal(signal.SIGHUP)
    assert process.wait(60) == 0


def test_the_same_signal_by_another_way_is_no_second_one_and_a_second_one_ends_at_once(taken, monkeypatch):
    seconds, ended = [0.0], []
    monkeypatch.setattr(signals, "time", SimpleNamespace(monotonic=lambda: seconds[0]))
    monkeypatch.setattr(signals.os, "_exit", ended.append)
    signals.hold()
    os.kill(os.getpid(), signal.SIGINT)
    seconds[0] = 0.9
    os.kill(os.getpid(), signal.SIGINT)
    assert ended == []
    seconds[0] = 1.1
    os.kill(os.getpid(), signal.SIGTERM)
    assert ended == [143]


def test_a_signal_that_is_held_is_raised_where_it_is_checked(taken):
    signals.hold()
    os.kill(os.getpid(), signal.SIGTERM)
    assert signals.received() == signal.SIGTERM
    with pytest.raises(signals.Stopped, match="143"):
        signals.check()


def test_signals_are_passed_on(taken):
    told = []
    signals.pass_on(told.append)
    with pytest.raises(signals.Stopped):
        os.kill(os.getpid(), signal.SIGHUP)
    assert told == [signal.SIGHUP]


def test_a_process_that_is_forked_has_the_handlers_of_before(taken):
    child = os.fork()
    if not child:
        os.kill(os.getpid(), signal.SIGTERM)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM


def test_a_terminal_that_was_closed_is_no_error():
    waiting = (
        "signals.hold()\nwhile not signals.received(): time.sleep(0.02)\nprint('saved', flush=True)\nsignals.check()"
    )
    ours, theirs = pty.openpty()
    process = begun(waiting, stdout=theirs, stderr=theirs)
    os.close(theirs)
    with open(ours) as terminal:  # noqa: PTH123  # a descriptor
        assert terminal.readline() == "ready\n"
    process.terminate()
    process.wait(60)
    assert process.returncode == 143


def tinydistill(words: str) -> tuple[int, bytes, bytes]:
    """A command line in bash: the exit code, of several commands the first's, and what is printed."""
    command = f"{sys.executable} -m tinydistill {words}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("words", "code", "out"),
    [
        ("--help | true", 141, b""),
        ("--version | true", 141, b""),
        ("--cfg job | true", 141, b""),
        ("--help >&-", 0, b""),
        ("--help 2>&- | grep -c ^tinydistill", 0, b"1\n"),
    ],
)
def test_a_pipe_that_nobody_reads_and_closed_streams_are_no_traceback(words, code, out):
    assert tinydistill(words) == (code, out, b"")


@pytest.mark.parametrize(
    "environment",
    [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}],
    ids=["ascii", "C"],
)
def test_a_character_that_the_streams_have_no_code_for_is_escaped(environment):
    code = "from tinydistill import __main__ as door, console\ndoor._run = lambda: console.say('\\u2026')\ndoor.main()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env={**os.environ, **environment}, check=True
    )
    assert (done.stdout, done.stderr) == (b"\\u2026\n", b"")
