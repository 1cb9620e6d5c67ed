"""From conf/ and the words of a command line to a checked `Config`.

This module knows no torch, so that help and completion stay instant.
"""

import hashlib
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from tinydistill.config.checks import check
from tinydistill.config.help import CONF_DIR
from tinydistill.config.schema import Config


def resolved(cfg: DictConfig) -> Config:
    """The configuration that Hydra has composed, checked; for a job of a sweep, with its places in the sweep."""
    config: Config = OmegaConf.to_object(cfg)  # type: ignore[assignment]
    check(config)
    return _placed(config) if in_sweep() else config


def composed(overrides: Iterable[str], values: Mapping[str, Any] | None = None) -> Config:
    """What a command line with these words comes to; from anywhere, without a command line.

    `values` are set by their options as they are, without the quoting that words need.
    """
    if GlobalHydra.instance().is_initialized():
        return resolved(_with_values(compose("config", list(overrides)), values))
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        return resolved(_with_values(compose("config", list(overrides)), values))


def _with_values(cfg: DictConfig, values: Mapping[str, Any] | None) -> DictConfig:
    for option, value in (values or {}).items():
        OmegaConf.update(cfg, option, value)
    return cfg


def composed_with(**groups: str) -> Config:
    """What this run's command line gives with other choices of some groups; only inside of a run."""
    job = HydraConfig.get()
    kept = [override for override in job.overrides.task if override.split("=")[0] not in groups]
    return resolved(compose(job.job.config_name, [*kept, *(f"{group}={word}" for group, word in groups.items())]))


def stored(configuration: dict[str, Any]) -> Config:
    """A configuration as an artifact's provenance keeps it; an OmegaConfBaseException for that of another version."""
    config: Config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), configuration))  # type: ignore[assignment]
    return config


def plain(config: Config) -> dict[str, Any]:
    """The configuration as JSON has it."""
    return asdict(config)


def in_sweep() -> bool:
    """Whether this is a job of a multirun."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def _placed(config: Config) -> Config:
    """With the places that a job of a sweep has: its artifact's, and those of what it makes to start from."""
    hydra = HydraConfig.get()
    job = Path(hydra.runtime.output_dir)
    makes_inputs = config.stage in ("task", "pipeline")
    paths = replace(config.paths, sweep=str(hydra.sweep.dir), job=str(job) if makes_inputs else None)
    return replace(config, output_dir=config.output_dir or str(job / config.stage), paths=paths)


def sweep_name() -> str:
    """What the command line's sweep is called: by its file or its stage, and a digest of what was typed.

    So the same command finds what it has finished before. How jobs are launched makes no difference.
    """
    typed = [word for word in sys.argv[1:] if not word.startswith(("-", "hydra.", "hydra/"))]
    chosen = dict(word.split("=", 1) for word in typed if "=" in word)
    return _file_name(chosen.get("sweep") or chosen.get("stage") or "general") + "-" + _short_digest(" ".join(typed))


def job_name(overrides: str) -> str:
    """A job's overrides that vary as the name of a directory, not too long."""
    return _file_name(overrides) or "job"


def _file_name(text: str, longest: int = 100) -> str:
    clean = re.sub(r"[^\w.+-]+", "-", text)
    return clean if clean == text and len(clean) <= longest else f"{clean[:longest]}-{_short_digest(text)}"


def _short_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


# cached, as Hydra's own now: jobs get the value that the sweep had, in other processes too
OmegaConf.register_new_resolver("sweep_name", sweep_name, use_cache=True, replace=True)
OmegaConf.register_new_resolver("job_name", job_name, replace=True)
