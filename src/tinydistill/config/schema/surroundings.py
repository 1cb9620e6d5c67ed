"""Where and how fast: nothing here changes what is computed."""

from dataclasses import dataclass
from typing import Any

from tinydistill.config.schema.option import option


@dataclass
class Paths:
    """Where things are kept."""

    outputs: str = option("artifacts go below this directory")
    cache: str = option("tokenised data and downloads that can be made again")
    job: str | None = option("directory of a sweep's job whose stage makes several artifacts; the sweep sets it")
    glue: str | None = option("directory of the GLUE tasks in their original layout; null takes them from the hub")


@dataclass
class Trainer:
    """How fast, never what: devices, precision, workers, checkpoints."""

    accelerator: str = option("Lightning's accelerator", "auto", "cpu", "gpu")
    devices: Any = option("number of devices, or auto")
    num_nodes: int = option("machines", at_least=1)
    strategy: str = option("Lightning's strategy, as in auto or ddp")
    precision: str = option("auto is bf16-mixed where the hardware multiplies bf16", "auto", "32", "bf16-mixed")
    kernels: str = option("auto takes the faster of equal ways to compute, plain torch's own alone", "auto", "plain")
    keep_memory: bool = option("on a processor, keep freed memory for the next step; the system would clear it anew")
    workers: int = option("processes that load batches; 0 loads in the training process", at_least=0)
    validations: int = option("held-out evaluations in the middle of training", at_least=0)
    checkpoint_minutes: float = option("minutes between checkpoints to resume from", at_least=0)
    progress: bool = option("show progress")


@dataclass
class Logger:
    """Where metrics go: below logs/ of the artifact, and from there wherever a service takes them."""

    csv: bool = option("tables, which stage=report draws training curves from")
    tensorboard: bool = option("TensorBoard's files")
    wandb: bool = option("Weights & Biases")
    project: str = option("project in Weights & Biases")
    group: str | None = option("group in Weights & Biases")
