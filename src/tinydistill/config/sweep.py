"""Sweeps: the result of every job, on disk as soon as it is known, and a table of all of them at the end."""

import logging
import math
import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, open_dict, read_write

from tinydistill import signals
from tinydistill.artifacts.files import kept, write_sealed
from tinydistill.artifacts.provenance import record_of
from tinydistill.artifacts.writer import JOB
from tinydistill.config.compose import resolved, stored
from tinydistill.config.errors import exit_code, explain
from tinydistill.config.schema import Config
from tinydistill.console import say, table
from tinydistill.errors import RunError
from tinydistill.ranks import rank

SUMMARY = "sweep.json"
_SCORED = ("general", "pretrain", "finetune", "task", "pipeline")  # stages that make something to choose by its score
_CUT_OFF = "cut off; the same command goes on"
_unsummed: list[Path] = []  # the directory of the sweep that this process has begun and not summed up


@dataclass(frozen=True)
class Job:
    """The result of a job: its score, or why there is none in one line.

    `mistake` says whether the error is the user's; `overrides` are those that vary in the sweep,
    `number` counts the jobs in the order in which they were asked for.
    """

    name: str
    stage: str
    overrides: list[str]
    output_dir: str | None = None
    score: float | None = None
    higher_is_better: bool = True
    error: str | None = None
    mistake: bool = False
    seconds: float = 0.0
    number: int = 0


def outcome(cfg: DictConfig, run: Callable[[Config], float]) -> float | None:
    """Runs a job of a sweep and leaves its result in its directory; its score, or None.

    A job that fails ends no sweep, whatever launches it: no exception leaves here.
    """
    if not _unsummed:  # in a process that a launcher has started
        signals.take()
        if signals.received():
            return None
    hydra = HydraConfig.get()
    directory, fixed = Path(hydra.runtime.output_dir), hydra.job.config.override_dirname.exclude_keys
    varied = [word for word in hydra.overrides.task if word.split("=")[0] not in fixed]
    job = Job(
        str(directory.relative_to(Path(hydra.sweep.dir).resolve())),
        cfg.stage,
        varied,
        error=_CUT_OFF,
        number=hydra.job.num,
    )
    _record(directory, job)
    say()
    say(f"job {hydra.job.num}: {' '.join(varied)}")
    begun = time.monotonic()
    try:
        config = resolved(cfg)
        job = replace(job, output_dir=config.output_dir, higher_is_better=not _returns_loss(config))
        score = run(config)
        job = replace(job, score=score if math.isfinite(score) else None, error=None)
    except Exception as error:
        mistake = explain(error)
        if mistake is None:
            traceback.print_exc()
        line = mistake or " ".join(f"{type(error).__name__}: {error}".split())
        print(f"tinydistill: error: job {hydra.job.num}: {line}", file=sys.stderr, flush=True)
        job = replace(job, error=line, mistake=mistake is not None and exit_code(error) == 2)
    except signals.Stopped:
        if _unsummed:
            raise
    finally:
        _close_wandb(failed=job.error is not None)
    _record(directory, replace(job, seconds=round(time.monotonic() - begun, 1)))
    return job.score


def _record(directory: Path, job: Job) -> None:
    if rank() == 0:
        directory.mkdir(parents=True, exist_ok=True)
        write_sealed(directory / JOB, asdict(job))


def _returns_loss(config: Config) -> bool:
    """Whether the stage's number is a held-out loss, of which less is better, and not a score."""
    return config.stage in ("general", "pretrain")


def _close_wandb(*, failed: bool) -> None:
    """Ends the run that a job left open by failing: the next job would log into it."""
    wandb = sys.modules.get("wandb")
    if wandb is not None and wandb.run is not None:
        wandb.finish(exit_code=int(failed))


class Table(Callback):
    """Prepares a sweep before its first job; conf/config.yaml names it."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Has jobs named after what varies, and forgets jobs of an earlier run of the sweep that have no score."""
        overrides = config.hydra.overrides
        words = [f"{key}={value}" for key, value in (config.hydra.sweeper.get("params") or {}).items()]
        parsed = OverridesParser.create().parse_overrides([*words, *overrides.task])
        varies = {override.get_key_element(): override.is_sweep_override() for override in parsed}
        fixed = ",".join(key for key, several in varies.items() if not several)
        with read_write(config), open_dict(config):  # jobs are composed anew from these overrides and their own
            overrides.hydra.append(f"hydra.job.config.override_dirname.exclude_keys=[{fixed}]")
        os.environ.setdefault("SQLALCHEMY_SILENCE_UBER_WARNING", "1")  # optuna's own use of it
        for noisy in ("hydra", "hydra_plugins.hydra_joblib_launcher"):  # what jobs there are, they say themselves
            logging.getLogger(noisy).setLevel(logging.WARNING)
        directory = Path(config.hydra.sweep.dir)
        directory.mkdir(parents=True, exist_ok=True)  # the search's data base goes there before the first job
        for job in read_jobs(directory):
            if job.error is not None:
                (directory / job.name / JOB).unlink()
        _unsummed[:] = [directory]
        signals.running.append("the sweep")
        if "joblib" in config.hydra.launcher._target_:  # whose own way to stop is to kill its workers
            signals.hold()
            signals.pass_on(_tell_workers)
        say(f"sweep: {directory}")

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Stop here if the workers were told to."""
        signals.release()
        signals.check()


def _tell_workers(signum: int) -> None:
    for worker in multiprocessing.active_children():
        os.kill(worker.pid, signum)  # type: ignore[arg-type]  # it has begun


def finish() -> int:
    """Sums up the sweep that this process has run, if any; the exit code.

    0 where all jobs went well and one has a score, 2 where what failed are the user's mistakes alone, else 1.
    """
    if not _unsummed:
        return 0
    directory = _unsummed.pop()
    jobs = in_order(read_jobs(directory))
    if not jobs:
        return 0
    try:
        write_sealed(directory / SUMMARY, {"jobs": [asdict(job) for job in jobs]})
    except RunError as error:  # the disk is full: the table is printed all the same
        print(f"tinydistill: the sweep has no {SUMMARY}: {error}", file=sys.stderr, flush=True)
    say()
    shown = [(" ".join(job.overrides) or job.name, _score(job), _reported(job)) for job in jobs]
    same = all(reported in (None, chosen) for _, chosen, reported in shown)
    columns = ("job", "score") if same else ("job", "chosen by", "score")
    rows = [row[: len(columns)] for row in shown]
    table(f"sweep: {', '.join(dict.fromkeys(job.stage for job in jobs))}", columns, rows)
    failed = [job for job in jobs if job.error is not None]
    for job in failed:
        say(f"failed: {' '.join(job.overrides) or job.name}: {job.error}")
    if jobs[0].score is not None:
        say(f"best: {jobs[0].output_dir}")
        _report(directory, jobs[0])
    say(f"sweep: {directory}")
    if not failed:
        undefined = jobs[0].score is None and jobs[0].stage in _SCORED
        if undefined:
            print("tinydistill: error: no job of the sweep has a score that is defined", file=sys.stderr)
        return int(undefined)
    return 2 if all(job.mistake for job in failed) else 1


def _report(directory: Path, best: Job) -> None:
    """The page of all jobs, with the best one's options of stage=report; without it the sweep is none the worse."""
    made = record_of(str(best.output_dir))
    if made is None or not made.configuration["report"]["sweeps"]:
        return
    config = stored(made.configuration)
    say()
    try:
        import_module("tinydistill.stages").run(
            replace(
                config,
                stage="report",
                output_dir=str(directory / "report"),
                paths=replace(config.paths, job=None),
                report=replace(config.report, paths=[str(directory)]),
            )
        )
    except Exception as error:
        print(f"tinydistill: the sweep has no report: {explain(error) or error!r}", file=sys.stderr, flush=True)


def _score(job: Job) -> object:
    if job.error is not None:
        return "failed"
    return "-" if job.score is None else job.score


def _reported(job: Job) -> object:
    """The score of a finished job on the rows that scores are reported of, which the sweep doesn't choose by."""
    made = record_of(job.output_dir) if job.output_dir and job.error is None else None
    return None if made is None else made.result.get("score")


def read_jobs(directory: Path) -> list[Job]:
    """The results of the jobs below a sweep's directory, as far as they have begun."""
    found = (kept(file, "the job counts as not begun") for file in sorted(directory.glob(f"*/{JOB}")))
    return [Job(**job) for job in found if job is not None]


def in_order(jobs: Iterable[Job]) -> list[Job]:
    """Best first; losses, of which less is better, after scores; then those without a number, then the failed."""

    def key(job: Job) -> tuple[Any, ...]:
        score = math.nan if job.score is None else job.score
        merit = score if job.higher_is_better else -score
        return job.error is not None, job.score is None, not job.higher_is_better, -merit if merit == merit else 0.0

    return sorted(jobs, key=key)
