"""What a run is going to do, said before it does it."""

import math

import pytorch_lightning as pl

from tinydistill.console import count
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.data.text.datamodule import TextDataModule


def plan(trainer: pl.Trainer) -> str:
    """How many steps, over how much; how long that is going to be, the progress says."""
    steps, data = int(trainer.estimated_stepping_batches), trainer.datamodule
    if isinstance(data, TextDataModule):
        blocks = steps * data.blocks_in_step
        return (
            f"plan: {steps:,} steps of {data.blocks_in_step:,} blocks, {count(blocks * data.max_length)} tokens in "
            f"all: {blocks / len(data.blocks.train):.3g} times the corpus"
        )
    if not isinstance(data, TaskDataModule):
        return f"plan: {steps:,} steps"
    batches = trainer.num_training_batches
    epochs = steps / math.ceil(batches / trainer.accumulate_grad_batches) * batches / len(data.order())
    rows = data.batch_size * trainer.accumulate_grad_batches * trainer.world_size
    tokens = count(epochs * float(data.encoded(data.train).lengths.sum()))
    return (
        f"plan: {steps:,} steps of {rows:,} rows, about {tokens} tokens in all: {epochs:.3g} times the "
        f"{len(data.train):,} rows"
    )
