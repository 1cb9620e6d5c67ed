"""What a run needs beside Lightning: the precision that is fast here, its seconds, and quiet libraries."""

import logging
import warnings

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Timer


def multiplies_bf16(accelerator: str) -> bool:
    """Whether bf16 matrix products are fast on the device that the accelerator's name chooses here."""
    if accelerator in ("auto", "gpu") and torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if accelerator in ("auto", "gpu") and torch.backends.mps.is_available():
        return False
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    intel = str(capabilities.get("cpu_name", "")).startswith("Intel")  # whose AVX-512 runs them at 0.57 of fp32
    return bool(capabilities.get("amx_bf16") or (capabilities.get("avx512_bf16") and not intel))


def resolve_precision(precision: str, accelerator: str) -> str:
    """`auto` made definite: bf16-mixed where that is faster, else 32."""
    if precision != "auto":
        return precision
    return "bf16-mixed" if multiplies_bf16(accelerator) else "32"


def training_seconds(trainer: pl.Trainer) -> float:
    """How long the last fit took, a resumed run's earlier parts with it, by the trainer's Timer; 0 without one."""
    timers = [callback for callback in trainer.callbacks if isinstance(callback, Timer)]
    return round(timers[0].time_elapsed("train"), 1) if timers else 0.0


def quiet() -> None:
    """Silence what the libraries say that the user can do nothing about."""
    # matplotlib tells of the fonts that it finds, where its docstrings are read
    for name in ("pytorch_lightning", "lightning_fabric", "matplotlib"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",  # that is the user's choice
        ".*`isinstance\\(treespec, LeafSpec\\)` is deprecated.*",  # Lightning's own use of torch
        ".*The number of training batches.*is smaller than the logging interval.*",
        ".*Checkpoint directory.*exists and is not empty.*",  # that is what resuming means
        ".*`SpearmanCorrcoef` will save all targets.*",  # a number a row
        ".*You defined a `validation_step` but have no `val_dataloader`.*",  # what is timed isn't validated
        ".*variance of predictions or target is close to zero.*",  # the score is shown as undefined
    ):
        warnings.filterwarnings("ignore", message)
