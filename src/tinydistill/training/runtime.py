"""Lightning's trainer, loggers and checkpoints from plain values."""

import ctypes
import logging
import platform
import warnings
from collections.abc import Collection, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import LearningRateMonitor, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger

from tinydistill.errors import UserError
from tinydistill.models.fast_paths import cpu_kernels as kernels
from tinydistill.training import dashboards
from tinydistill.training.progress import EvaluationProgress, PredictionProgress, Progress

LOGGERS = ("csv", "tensorboard", "wandb")

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # of malloc.h


def multiplies_bf16(accelerator: str) -> bool:
    """Whether bf16 matrix products are fast on the device that the accelerator's name chooses here."""
    if accelerator in ("auto", "gpu") and torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if accelerator in ("auto", "gpu") and torch.backends.mps.is_available():
        return False
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def resolve_precision(precision: str, accelerator: str) -> str:
    """`auto` made definite: bf16-mixed where that is faster, else 32."""
    if precision != "auto":
        return precision
    return "bf16-mixed" if multiplies_bf16(accelerator) else "32"


def quiet() -> None:
    """Silences what the libraries say that the user can do nothing about."""
    # matplotlib tells of the fonts that it finds, where its docstrings are read
    for name in ("pytorch_lightning", "lightning_fabric", "matplotlib"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",  # workers are the user's choice, trainer.workers
        ".*`isinstance\\(treespec, LeafSpec\\)` is deprecated.*",  # Lightning's own use of torch
        ".*The number of training batches.*is smaller than the logging interval.*",
        ".*Checkpoint directory.*exists and is not empty.*",  # that is what resuming means
        ".*`SpearmanCorrcoef` will save all targets.*",  # a number a row
        ".*You defined a `validation_step` but have no `val_dataloader`.*",  # what is timed isn't validated
        ".*variance of predictions or target is close to zero.*",  # the score is shown as undefined
    ):
        warnings.filterwarnings("ignore", message)


def tune(options: dict[str, Any]) -> None:
    """Sets how this process computes; `options` are the values of conf/trainer."""
    kernels.choose(fast=options["kernels"] == "auto")
    if options["keep_memory"]:
        keep_memory()


def keep_memory() -> None:
    """Lets the C library keep what is freed, until the process ends.

    A step's large tensors would otherwise go back to the system, which clears every page of the next step's again.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    for parameter, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 2**26)):
        mallopt(parameter, value)


def build_loggers(
    kinds: Collection[str],
    directory: Path,
    *,
    project: str,
    group: str | None,
    name: str,
    values: dict[str, Any],
    tags: Sequence[str] = (),
    cache_dir: Path | None = None,
) -> list[Logger]:
    """The loggers named, writing below `directory`. W&B without a key runs offline, and says so."""
    loggers: list[Logger] = []
    if "csv" in kinds:
        loggers.append(CSVLogger(directory, name="csv"))
    if "tensorboard" in kinds:
        try:
            loggers.append(TensorBoardLogger(directory, name="tensorboard"))
        except ModuleNotFoundError as error:
            raise UserError("logger=tensorboard needs a package: pip install 'tinydistill[tensorboard]'") from error
    if "wandb" in kinds:
        dashboards.keep_caches_below(cache_dir or directory)
        loggers.append(
            dashboards.wandb_logger(directory, project=project, group=group, name=name, values=values, tags=tags)
        )
    return loggers


def build_trainer(
    *,
    directory: Path,
    loggers: list[Logger],
    options: dict[str, Any],
    clip: float,
    accumulate: int,
    callbacks: Sequence[pl.Callback] = (),
) -> pl.Trainer:
    """A trainer for one pass over a finite loader that is the whole run, with a checkpoint every so many minutes.

    `options` are the values of conf/trainer, its precision made definite.
    """
    checkpoint = ModelCheckpoint(
        directory / "checkpoints",
        filename="last",
        enable_version_counter=False,
        train_time_interval=timedelta(minutes=options["checkpoint_minutes"]),
        save_on_exception=True,
    )
    tune(options)
    monitors = [LearningRateMonitor("step")] if loggers else []
    return pl.Trainer(
        accelerator=options["accelerator"],
        devices=options["devices"],
        num_nodes=options["num_nodes"],
        strategy=options["strategy"],
        precision=options["precision"],
        max_epochs=1,
        val_check_interval=1 / (options["validations"] + 1),
        accumulate_grad_batches=accumulate,
        gradient_clip_val=clip or None,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
        callbacks=[*_progress(options["progress"], callbacks), checkpoint, *monitors, *callbacks],
        logger=loggers or False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=directory,
    )


def _progress(shown: bool, callbacks: Sequence[pl.Callback]) -> list[pl.Callback]:
    """What shows how far a run is, unless one of the callbacks does."""
    if any(isinstance(callback, PredictionProgress) for callback in callbacks):
        return []
    return [Progress(shown=shown), EvaluationProgress(shown=shown)]


def finish(trainer: pl.Trainer) -> None:
    """Closes what loggers hold open."""
    dashboards.finish(trainer.loggers)


def last_checkpoint(directory: Path) -> Path | None:
    """The checkpoint to go on from, if an earlier run left one."""
    path = directory / "checkpoints" / "last.ckpt"
    return path if path.is_file() else None
