"""What other systems lack, taken away from this one."""

import select
import signal
import subprocess
import sys
from pathlib import PureWindowsPath
from types import SimpleNamespace

import pytest

from tinydistill import platforms, signals
from tinydistill.artifacts import files, portable
from tinydistill.training.progress import peak_memory

AS_ON_WINDOWS = """
import os, select, signal, sys
from importlib import import_module
from pkgutil import walk_packages
import tinydistill

def all_modules():
    for module in walk_packages(tinydistill.__path__, "tinydistill."):
        if not module.name.endswith("__main__"):
            import_module(module.name)

all_modules()  # and what they import, which looks for itself
for name in [name for name in sys.modules if name.startswith("tinydistill.")]:
    del sys.modules[name]
for module in ("resource", "fcntl", "pwd", "grp", "termios", "pty"):
    sys.modules[module] = None
for owner, names in {
    os: ("fork", "register_at_fork", "getuid", "killpg", "sched_getaffinity", "mkfifo"),
    select: ("poll", "POLLOUT", "POLLERR", "POLLHUP"),
    signal: ("SIGHUP", "SIGPIPE", "SIGKILL", "SIGUSR1"),
}.items():
    for name in names:
        delattr(owner, name)

all_modules()
from tinydistill import signals
signals.take()
signals.give_back()
print("imported")
"""


@pytest.mark.slow
def test_every_module_is_imported_without_what_windows_lacks():
    done = subprocess.run([sys.executable, "-c", AS_ON_WINDOWS], capture_output=True, text=True, check=False)
    assert done.stdout == "imported\n", done.stderr


def test_a_system_that_does_not_tell_how_much_memory_was_used_is_asked_for_none(monkeypatch):
    assert platforms.peak_resident() > 1e7
    assert peak_memory()["peak_gb"] == pytest.approx(platforms.peak_resident() / 1e9, rel=0.1)
    monkeypatch.setattr(platforms, "resource", None)
    assert platforms.peak_resident() is None
    assert "peak_gb" not in peak_memory()


def test_on_a_mac_the_peak_comes_in_bytes(monkeypatch):
    usage = SimpleNamespace(RUSAGE_SELF=0, getrusage=lambda _: SimpleNamespace(ru_maxrss=3_000_000))
    monkeypatch.setattr(platforms, "resource", usage)
    monkeypatch.setattr(platforms, "sys", SimpleNamespace(platform="darwin"))
    assert platforms.peak_resident() == 3_000_000


def test_a_pipe_that_nobody_reads_stops_a_run_where_poll_and_its_signal_are_missing(monkeypatch, capsys):
    silenced = []
    monkeypatch.delattr(select, "poll")
    monkeypatch.delattr(signal, "SIGPIPE")
    monkeypatch.setattr(signals, "_silence", silenced.append)
    signals.take()
    signals.running.append("stage=general")
    try:
        with pytest.raises(signals.Stopped) as stopped:
            signals.broken_pipe()
        stopped.value.say()
    finally:
        signals.give_back()
    assert silenced == [1]
    assert stopped.value.code == 141
    assert "stage=general was stopped by SIGPIPE" in capsys.readouterr().err


def test_files_are_opened_for_writing_where_only_such_can_be_synced(monkeypatch, tmp_path):
    opened = []
    system = SimpleNamespace(**{name: getattr(files.os, name) for name in ("fsync", "close", "O_RDONLY", "O_RDWR")})
    system.name, system.open = "nt", lambda path, flags: opened.append(flags) or files_open(path, flags)
    files_open = files.os.open
    monkeypatch.setattr(files, "os", system)
    files.write_json(tmp_path / "one.json", {})
    assert opened == [system.O_RDWR]


def test_the_home_directory_is_found_by_the_systems_own_separator(monkeypatch):
    monkeypatch.setattr(portable, "os", SimpleNamespace(sep="\\"))
    monkeypatch.setattr(portable, "Path", SimpleNamespace(home=lambda: PureWindowsPath(r"C:\Users\ann")))
    kept = {"home": r"~", "file": r"~\rows.csv", "other": r"C:\Users\anna"}
    assert portable.without_home(portable.with_home(kept)) == kept
    assert portable.with_home(kept)["file"] == r"C:\Users\ann\rows.csv"
