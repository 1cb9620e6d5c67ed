"""Less than everything, to see whether it works: the values of conf/debug."""

from dataclasses import dataclass

from tinydistill.config.schema.option import option


@dataclass
class Debug:
    """What is left out, or looked at, while a run is tried."""

    rows: int | None = option("at most so many rows of every split of a task", at_least=2)
    share: float = option("share of the rows of every split, and of the steps on text", at_least=0)
    overfit: bool = option("learn the first batch alone; fail where its loss doesn't fall")
    profile: bool = option("torch's profiler, whose table goes into the artifact's logs/")
