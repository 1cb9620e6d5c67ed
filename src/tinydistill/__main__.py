"""The command line's entry: help and version at once, everything else with Hydra."""

import sys
from importlib import import_module

from tinydistill import __version__
from tinydistill.config.help import usage


def main() -> None:
    """Entry point of `python -m tinydistill` and of the console script; exits with 0, 1, 2, or 130 if interrupted."""
    words = set(sys.argv[1:])
    if {"--help", "-h"} & words:
        print(usage())
    elif "--version" in words:
        print(f"tinydistill {__version__}")
    else:
        import_module("tinydistill.command").run()


if __name__ == "__main__":
    main()
