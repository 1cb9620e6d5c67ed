"""A run from the command line: Hydra composes the configuration, the stage is called, errors become one clear line."""

import os
import sys
import traceback
from importlib import import_module

import hydra
from omegaconf import DictConfig

from tinydistill import signals, stages
from tinydistill.config import sweep
from tinydistill.config.compose import in_sweep, resolved
from tinydistill.config.errors import exit_code, explain
from tinydistill.config.help import CONF_DIR
from tinydistill.config.schema import Config

_WANTS_TRACEBACK = os.environ.get("HYDRA_FULL_ERROR", "0") not in ("", "0")


@hydra.main(config_path=str(CONF_DIR), config_name="config", version_base="1.3")
def _composed(cfg: DictConfig) -> float | None:
    if in_sweep():
        return sweep.outcome(cfg, _stage)
    signals.running.append(f"stage={cfg.stage}")
    try:
        return _stage(resolved(cfg))
    except Exception as error:
        _exit_if_mistaken(error)
        raise


def _stage(config: Config) -> float:
    if in_sweep() and config.stage == "task":
        config = import_module("tinydistill.stages.pipeline").with_inputs(config)
    return stages.run(config)


def _exit_if_mistaken(error: Exception) -> None:
    """Ends with one line where the error is the user's or the run's, after the traceback where that is wanted."""
    mistake = explain(error)
    if mistake is not None:
        if _WANTS_TRACEBACK:
            traceback.print_exception(error)
        print(f"tinydistill: error: {mistake}", file=sys.stderr)
        sys.exit(exit_code(error))


def run() -> None:
    """Run what the command line asks for; exits with 0, 1 or 2."""
    # Hydra would print its own abridged traceback and exit with 1; with this set it lets exceptions through to here.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        _composed()
    except Exception as error:
        failed = sweep.finish()
        _exit_if_mistaken(error)
        if failed:  # as when a search has no score to choose from, or a worker was killed
            print(f"tinydistill: error: the sweep has stopped: {error}", file=sys.stderr)
            sys.exit(failed)
        raise
    if code := sweep.finish():
        sys.exit(code)
