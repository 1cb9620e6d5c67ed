"""Lightning's trainer with its callbacks and loggers, and how weights are stepped, from a configuration."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint, Timer
from pytorch_lightning.loggers import Logger

from tinydistill.artifacts.writer import ArtifactWriter
from tinydistill.config.build.nodes import built, function_of, takes
from tinydistill.config.compose import plain
from tinydistill.config.names import corpus_name, mapping_name
from tinydistill.config.schema import Config
from tinydistill.config.schema.option import nearest
from tinydistill.config.schema.stages import OnText, Training
from tinydistill.errors import UserError
from tinydistill.models.fast_paths import cpu_kernels
from tinydistill.models.fast_paths.cpu_kernels import keep_memory
from tinydistill.training import runtime
from tinydistill.training.checkpoints import WholeCheckpoints
from tinydistill.training.dashboards import Lineage, Product
from tinydistill.training.epochs import Patience
from tinydistill.training.optimization import parameter_groups
from tinydistill.training.progress import Progress
from tinydistill.training.stopping import StopBetweenBatches

_TRAINER = "pytorch_lightning.Trainer"


def precision(config: Config) -> str:
    """The trainer's precision, `auto` made definite."""
    return runtime.resolve_precision(str(config.trainer["precision"]), str(config.trainer["accelerator"]))


def frozen_dtype(config: Config) -> torch.dtype:
    """That of models which aren't trained: bf16 where the run multiplies bf16."""
    return torch.bfloat16 if precision(config) == "bf16-mixed" else torch.float32


def frozen_device(config: Config) -> torch.device:
    """Where models that aren't trained compute."""
    gpu = config.trainer.get("accelerator") != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if gpu else "cpu")


def stepping(config: Config) -> dict[str, Any]:
    """The factories of optimizer and schedule, as LightningModules here take them."""
    nodes = {"optimizer": config.optimizer, "scheduler": config.scheduler}
    return {name: function_of(name, node) for name, node in nodes.items()}


def trainer(
    config: Config,
    directory: Path,
    options: Training | None = None,
    *,
    epochs: int = 1,
    max_steps: int | None = None,
    val_check_interval: float = 1.0,
    monitor: str | None = None,
    mode: str = "min",
    patience: int | None = None,
    callbacks: Sequence[Callback] = (),
    artifact: ArtifactWriter | None = None,
    **arguments: Any,
) -> pl.Trainer:
    """Lightning's trainer, working below `directory`; what conf/trainer says goes before what the stage says.

    Args:
        config: the whole configuration.
        directory: checkpoints, logs and profiles go below it.
        options: those of the stage or phase that trains; None for a trainer that only measures, and logs nothing.
        epochs: passes over the training batches.
        max_steps: optimizer steps at most.
        val_check_interval: share of an epoch between two validations.
        monitor: the metric that callbacks of conf/callbacks go by, and `mode`, whether less or more is better.
        patience: validations without a better one of it that end training, unless conf/callbacks stops by its own rule.
        callbacks: the stage's own.
        artifact: what the run makes, for dashboards that draw it.
        arguments: of the trainer, which go before those of conf/trainer.
    """
    tune(config)
    node = {name: value for name, value in config.trainer.items() if value is not None}
    known = takes("trainer", {"_target_": _TRAINER})
    if unknown := [name for name in node if name not in known]:
        raise UserError(f"trainer.{unknown[0]}: Lightning's Trainer has no such argument{nearest(unknown[0], known)}")
    node |= {"_target_": _TRAINER, "precision": precision(config), **arguments}
    if isinstance(profiler := node.get("profiler"), dict):
        node["profiler"] = {"dirpath": str(directory / "logs"), **profiler}
    loggers = _loggers(config, directory) if options else []
    shown = bool(node.pop("enable_progress_bar", True))
    watching = [StopBetweenBatches(), *callbacks]
    if not any(isinstance(one, Progress) for one in watching):
        watching.insert(1, Progress(shown=shown))
    if options:
        watching += _callbacks(config, directory, monitor, mode, logged=bool(loggers))
    if patience is not None and monitor is not None and not any(isinstance(one, EarlyStopping) for one in watching):
        watching.append(Patience(monitor, patience, mode))
    if artifact is not None and loggers:
        watching.append(_lineage(config, artifact, directory))
    plugins = node.pop("plugins", [])
    return built(
        "trainer",
        node,
        pl.Trainer,
        max_epochs=epochs,
        max_steps=-1 if max_steps is None else max_steps,
        val_check_interval=val_check_interval,
        accumulate_grad_batches=options.accumulate_grad_batches if options else 1,
        gradient_clip_val=(options.gradient_clip_val or None) if options else None,
        callbacks=watching,
        plugins=[*(plugins if isinstance(plugins, list) else [plugins]), WholeCheckpoints()],
        logger=loggers or False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # batches are shared among ranks where they are made
        enable_model_summary=False,
        enable_checkpointing=any(isinstance(one, ModelCheckpoint) for one in watching),
        enable_progress_bar=shown and sys.stderr.isatty(),
        default_root_dir=str(directory),
    )


def check(config: Config) -> None:
    """Raises UserError where trainer, optimizer or schedule can't be made, before anything is read."""
    runtime.quiet()
    trainer(config, Path(config.paths.outputs))
    made, option = stepping(config), "optimizer"
    try:
        optimizer = made["optimizer"](parameter_groups(torch.nn.Linear(2, 2)), lr=1.0)
        option = "scheduler"
        made["scheduler"](optimizer, num_training_steps=10)
    except Exception as error:
        target = getattr(config, option)["_target_"]
        raise UserError(f"{option}: {target} can't be made: {' '.join(f'{error}'.split())}") from error


def one_device(config: Config, directory: Path, what: str) -> torch.device:
    """Where the trainer computes. Raises UserError, which names what measures it, where that is on several devices."""
    measuring = trainer(config, directory)
    if measuring.world_size > 1:
        raise UserError(f"{what} measures one device, not {measuring.world_size}: set trainer.devices=1")
    device: torch.device = measuring.strategy.root_device
    return device


def text_trainer(config: Config, artifact: ArtifactWriter, options: OnText) -> pl.Trainer:
    """The trainer of a stage on plain text, which goes by the held-out loss."""
    return trainer(
        config,
        artifact.work,
        options,
        epochs=options.epochs,
        max_steps=options.max_steps,
        val_check_interval=options.val_check_interval,
        monitor="heldout/loss",
        callbacks=[Timer()],
        artifact=artifact,
    )


def tune(config: Config) -> None:
    """Sets how this process computes."""
    cpu_kernels.choose(fast=config.runtime.kernels == "auto")
    if config.runtime.keep_memory:
        keep_memory()


def _callbacks(config: Config, directory: Path, monitor: str | None, mode: str, *, logged: bool) -> list[Callback]:
    made = []
    for name, node in config.callbacks.items():
        if name == "learning_rate" and not logged:
            continue
        filled = {"monitor": monitor, "mode": mode} if "monitor" in node else {}
        filled |= {"dirpath": str(directory / "checkpoints")} if name == "checkpoint" else {}
        given = {key: value for key, value in node.items() if value is not None or key not in filled}
        made.append(built(f"callbacks.{name}", given, Callback, **filled))
    return made


def _loggers(config: Config, directory: Path) -> list[Logger]:
    """Every logger is given those of these that it has parameters for and its node doesn't set."""
    sweep = Path(config.paths.sweep).name if config.paths.sweep else None
    name = _run_name(config, directory, sweep)
    filled = {
        "save_dir": str(directory / "logs"),
        "run_name": name,
        "group": sweep,
        "run_config": plain(config),
        "run_tags": _tags(config),
        "cache_dir": str(Path(config.paths.cache) / "wandb"),
    }
    made = []
    for key, node in config.logger.items():
        option = f"logger.{key}"
        known = takes(option, node)
        made.append(
            built(option, node, Logger, **{name: value for name, value in filled.items() if name in known and value})
        )
    return made


def _tags(config: Config) -> list[str]:
    """What runs are looked for by."""
    about = f"corpus:{corpus_name(config)}" if config.stage in ("general", "pretrain") else f"task:{config.task.name}"
    return [f"stage:{config.stage}", f"student:{config.student.name}", f"mapping:{mapping_name(config)}", about]


def _run_name(config: Config, directory: Path, sweep: str | None) -> str:
    """By stage and artifact; in a sweep, where every job's are called alike, by the job."""
    words = [part.removesuffix(".unfinished") for part in directory.parts]
    if sweep is not None and sweep in words:
        return "-".join(dict.fromkeys(words[words.index(sweep) + 1 :]))
    return f"{config.stage}-{words[-1]}"


def _lineage(config: Config, artifact: ArtifactWriter, directory: Path) -> Lineage:
    """What a run takes and what it makes; a first phase makes nothing to keep."""
    made = Product(artifact.path.name, config.stage, artifact.settings, str(artifact.path))
    taken = [Product(one.path.name, one.stage, one.settings, str(one.path)) for one in artifact.inputs.values()]
    first = directory.name.endswith("-intermediate") and config.distill.phases == "both"
    return Lineage(None if first else made, taken)
