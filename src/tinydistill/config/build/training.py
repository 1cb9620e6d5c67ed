"""Lightning's trainer and how it steps, from configuration."""

from collections.abc import Sequence
from pathlib import Path

import pytorch_lightning as pl
import torch

from tinydistill.artifacts.inputs import lineage
from tinydistill.config.build.sources import Values
from tinydistill.training import runtime
from tinydistill.training.optimization import Optimization
from tinydistill.training.overfit import Overfit
from tinydistill.training.profiling import Profile


def precision(values: Values) -> str:
    """The trainer's precision, `auto` made definite."""
    return runtime.resolve_precision(values["trainer"]["precision"], values["trainer"]["accelerator"])


def frozen_dtype(values: Values) -> torch.dtype:
    """That of models which aren't trained: bf16 where the run multiplies bf16."""
    return torch.bfloat16 if precision(values) == "bf16-mixed" else torch.float32


def optimisation(options: Values, steps: int) -> Optimization:
    """How a stage or phase with these options steps its weights."""
    return Optimization(steps, options["learning_rate"], options["warmup"], options["weight_decay"])


def trainer(values: Values, directory: Path, options: Values, *, callbacks: Sequence[pl.Callback] = ()) -> pl.Trainer:
    """Lightning's trainer with the loggers of conf/logger, working below `directory`.

    `options` are those of the stage or phase: clip, accumulate.
    """
    logger = values["logger"]
    loggers = runtime.build_loggers(
        [kind for kind in runtime.LOGGERS if logger[kind]],
        directory / "logs",
        project=logger["project"],
        group=logger["group"],
        name=_run_name(values, directory),
        values=values,
        tags=_tags(values),
        cache_dir=Path(values["paths"]["cache"]) / "wandb",
    )
    if loggers:
        callbacks = [*callbacks, lineage(values, directory)]
    return runtime.build_trainer(
        directory=directory,
        loggers=loggers,
        options={**values["trainer"], "precision": precision(values)},
        clip=options["clip"],
        accumulate=options["accumulate"],
        callbacks=[*callbacks, *_debugging(values, directory / "logs")],
    )


def _tags(values: Values) -> list[str]:
    """What runs are looked for by."""
    stage, student = values["stage"], values["student"]["name"]
    tags = [f"stage:{stage}", f"student:{student}", f"mapping:{values['mapping']['strategy']}"]
    about = "corpus" if stage in ("general", "pretrain") else "task"
    return [*tags, f"{about}:{values[about]['name']}"]


def _debugging(values: Values, logs: Path) -> list[pl.Callback]:
    """What conf/debug has look at a run."""
    callbacks: list[pl.Callback] = [Overfit()] if values["debug"]["overfit"] else []
    return [*callbacks, Profile(logs)] if values["debug"]["profile"] else callbacks


def _run_name(values: Values, directory: Path) -> str:
    """By stage and artifact; in a sweep, where every job's are called alike, by the job."""
    words = [part.removesuffix(".unfinished") for part in directory.parts]
    sweep = values["logger"]["group"]
    if sweep in words:
        return "-".join(dict.fromkeys(words[words.index(sweep) + 1 :]))
    return f"{values['stage']}-{words[-1]}"


def silent_trainer(values: Values, directory: Path) -> pl.Trainer:
    """A trainer that measures and logs nothing."""
    silent = {**values, "logger": {**values["logger"], **dict.fromkeys(runtime.LOGGERS, False)}}
    return trainer(silent, directory, {"clip": 0, "accumulate": 1})
