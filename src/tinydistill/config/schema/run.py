"""Where things are kept, and how fast they are computed: nothing here changes what is computed."""

from dataclasses import dataclass

from tinydistill.config.schema.option import option


@dataclass
class Paths:
    """Where things are kept."""

    outputs: str = option("artifacts go below this directory", "outputs")
    cache: str = option("tokenized data and downloads that can be made again", "${.outputs}/cache")
    glue: str | None = option(
        "directory of the GLUE tasks in their original layout; null takes them from the hub", None
    )
    sweep: str | None = option("directory of the sweep that this is a job of; the sweep sets it", None)
    job: str | None = option("directory of a sweep's job that makes several artifacts; the sweep sets it", None)


@dataclass
class Runtime:
    """How fast, never what."""

    num_workers: int = option("processes that load batches; 0 loads in the training process", 0, at_least=0)
    kernels: str = option(
        "auto takes the faster of equal ways to compute, plain torch's own alone", "auto", choices=("auto", "plain")
    )
    keep_memory: bool = option(
        "on a processor, keep freed memory for the next step; the system would clear it anew", True
    )
