"""Signals of a command line: what runs is stopped where the same command can go on; a second one ends it at once.

Nothing is changed for who imports tinydistill: only a process that calls `take` handles them.
"""

import atexit
import functools
import multiprocessing
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

from tinydistill.ranks import rank

_SIGNALS: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM)
if hasattr(signal, "SIGHUP"):  # not on Windows
    _SIGNALS += (signal.SIGHUP,)
_SIGPIPE = 13  # which Windows has no name for
_SAME = 1.0  # seconds in which a second one is the first by another way: of the terminal, and of whoever started this

_taken: dict[int, Any] = {}  # the signals that this process handles, and how they were handled before
_terminals: list[int] = []
_told: list[Callable[[int], None]] = []  # pass a signal on to processes that this one has started
_received: list[tuple[int, float]] = []  # the first one, and when
_held: list[bool] = []
running: list[str] = []  # what is going to be said to have been stopped


class Stopped(SystemExit):
    """A signal has ended the run; its code is the shell's, 128 + the signal. No Exception: nothing takes it for one."""

    @classmethod
    def by(cls, signum: int) -> "Stopped":
        """That of a signal."""
        return cls(128 + signum)

    def say(self) -> None:
        """The one sentence, from the leading process."""
        name = _name(int(self.code or 128) - 128)
        if running and rank() == 0:
            with suppress(OSError):  # a terminal that is closed
                line = f"tinydistill: {running[-1]} was stopped by {name}; the same command goes on from there"
                print(line, file=sys.stderr, flush=True)


def take() -> None:
    """Have signals raise `Stopped` from now on, but not those that are ignored, as under nohup, or others handle."""
    if threading.current_thread() is not threading.main_thread() or _taken:
        return
    for signum in _SIGNALS:
        if signal.getsignal(signum) in (signal.SIG_DFL, signal.default_int_handler):
            _taken[signum] = signal.signal(signum, _handle)
    _terminals[:] = [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]


def take_again() -> None:
    """After Lightning has put a handler of its own before: it would end the run with code 0, or not at all."""
    for signum in _taken:
        signal.signal(signum, _handle)


def give_back() -> None:
    """Have signals handled as before `take`."""
    for signum, before in _taken.items():
        signal.signal(signum, before)
    for state in (_taken, _told, _received, _held, running):
        state.clear()


def ignore(*_: object) -> None:
    """In a worker: a terminal or a batch system signals it as well, and what it works for decides when it ends."""
    for signum in _SIGNALS:
        signal.signal(signum, signal.SIG_IGN)


@functools.cache
def end_workers() -> None:
    """From now on, kill the workers that are left when this process ends.

    They ignore the signal by which multiprocessing ends them, and it would wait for them forever.
    """
    atexit.register(_end_workers)


def hold() -> None:
    """Keep a signal until `check`, while what could be saved in between would not be whole."""
    _held[:] = [True]


def release() -> None:
    """End what `hold` began."""
    _held.clear()


def pass_on(tell: Callable[[int], None]) -> None:
    """Call this with every signal."""
    _told.append(tell)


def received() -> int:
    """The signal that has come, or 0."""
    return _received[0][0] if _received else 0


def check(signum: int | None = None) -> None:
    """Raise `Stopped` if a signal has come: here, or the one that another process tells of."""
    if found := received() if signum is None else signum:
        raise Stopped.by(found)


def broken_pipe() -> None:
    """Upon a BrokenPipeError, stop as if by SIGPIPE: nobody reads what is printed, as in `tinydistill | head`."""
    broken = _broken()
    if not _taken or not broken:
        raise  # another pipe
    for descriptor in broken:
        _silence(descriptor)
    _handle(_SIGPIPE, None)


def _broken() -> list[int]:
    """Which of standard output and error lead nowhere."""
    if not hasattr(select, "poll"):  # on Windows, which doesn't tell
        return [1]
    poll = select.poll()
    for descriptor in (1, 2):
        poll.register(descriptor, select.POLLOUT)
    return [descriptor for descriptor, events in poll.poll(0) if events & (select.POLLERR | select.POLLHUP)]


def _handle(signum: int, _frame: FrameType | None) -> None:
    for tell in _told:
        tell(signum)
    if _received:
        if time.monotonic() - _received[0][1] > _SAME:
            os._exit(128 + signum)
        return
    _received.append((signum, time.monotonic()))
    for descriptor in _terminals:
        if not os.isatty(descriptor):  # it is closed: every line would be an error
            _silence(descriptor)
    if not _held:
        raise Stopped.by(signum)


def _end_workers() -> None:
    if hasattr(signal, "SIGCHLD"):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch's handler takes each of them for an accident
    for worker in multiprocessing.active_children():
        if worker.daemon:
            worker.kill()


def _name(signum: int) -> str:
    return "SIGPIPE" if signum == _SIGPIPE else signal.Signals(signum).name


def _silence(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=give_back)
