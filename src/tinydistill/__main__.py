"""The command line's entry: help and version at once, everything else with Hydra."""

import os
import sys
from importlib import import_module
from pathlib import Path

from tinydistill import __version__, signals
from tinydistill.config.help import usage
from tinydistill.ranks import rank


def main() -> None:
    """Entry point of `python -m tinydistill` and of the console script.

    Exits with 0, 1, 2, or 128 + the signal that has stopped it; of several processes the first alone says that.
    """
    _mend_streams()
    signals.take()
    try:
        try:
            _run()
            sys.stdout.flush()
        except BrokenPipeError:
            signals.broken_pipe()
        signals.check()  # something has kept what was raised to itself
    except signals.Stopped as stopped:
        stopped.say()
        sys.exit(0 if rank() else stopped.code)  # Lightning kills all where another process fails
    finally:
        signals.give_back()


def _run() -> None:
    words = set(sys.argv[1:])
    if {"--help", "-h"} & words:
        print(usage())
    elif "--version" in words:
        print(f"tinydistill {__version__}")
    else:
        import_module("tinydistill.command").run()


def _mend_streams() -> None:
    """Let nothing that is printed be an error: closed streams lead nowhere, characters without a code are escaped."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115  # for as long as the process
        getattr(sys, name).reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
