"""What a stage is going to do, said before it does it."""

from tinydistill.console import count, say
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.text.datamodule import TextDataModule


def announce(data: TextDataModule | TaskDataModule) -> None:
    """Says how many steps a run takes, over how much; how long that is going to be, its progress says."""
    batch = data.batch_size * data.accumulate * data.world_size
    if isinstance(data, TextDataModule):
        blocks = data.total_steps * data.blocks_in_step
        say(
            f"plan: {data.total_steps:,} steps of {batch:,} blocks, {count(blocks * data.max_length)} word pieces in "
            f"all: {blocks / len(data.blocks.train):.3g} times the corpus"
        )
        return
    epochs = data.total_batches / data.batches_per_epoch
    pieces = count(epochs * float(data.encoded(data.train).lengths.sum()))
    say(
        f"plan: {data.total_steps:,} steps of {batch:,} rows, about {pieces} word pieces in all: "
        f"{epochs:.3g} times the {len(data.train):,} rows"
    )
