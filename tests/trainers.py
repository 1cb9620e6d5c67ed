"""Trainers for tests: on the CPU, without loggers, bars and summaries."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint


def quiet_trainer(directory: Path | None = None, *callbacks: pl.Callback, **options: Any) -> pl.Trainer:
    """A trainer that prints nothing, and keeps checkpoints below the directory only where a callback does so."""
    quiet: dict[str, Any] = {
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": any(isinstance(one, Checkpoint) for one in callbacks),
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "default_root_dir": directory,
        "callbacks": list(callbacks),
    }
    return pl.Trainer(**quiet | options)
