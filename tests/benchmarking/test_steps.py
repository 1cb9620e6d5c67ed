"""Steps timed inside of Lightning's trainer."""

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from tinydistill.benchmarking import steps
from tinydistill.benchmarking.steps import CountedFirst, StepTimer
from tinydistill.data.loading import BatchLoader


class Rows(torch.utils.data.Dataset):
    """Row n has n valid places, batches are as wide as their longest row."""

    def __getitem__(self, numbers):
        width = int(numbers.max())
        mask = torch.arange(width) < torch.from_numpy(numbers)[:, None]
        return {"input_ids": torch.zeros_like(mask, dtype=torch.long), "attention_mask": mask.long()}


class Module(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer, self.seen = nn.Linear(1, 4, bias=False), []

    def training_step(self, batch, batch_idx):
        self.seen.append(tuple(batch["input_ids"].shape))
        if batch_idx == 9:
            raise RuntimeError("broken")
        return self.layer(batch["attention_mask"].float().unsqueeze(-1)).sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.0)


@pytest.fixture
def trainer_with(tmp_path):
    options = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    return lambda timer: pl.Trainer(
        **options, max_epochs=1, callbacks=[timer], enable_checkpointing=False, default_root_dir=tmp_path
    )


ORDER = [np.array([2, 3]), np.array([1, 2])]


def test_single_rows_come_first_then_the_batches_over_and_over():
    order = CountedFirst([7, 8], ORDER)
    assert [order[i].tolist() for i in range(5)] == [[7], [8], [2, 3], [1, 2], [2, 3]]
    assert len(order) > 1000


def test_what_follows_the_warm_up_is_counted_until_the_time_is_over(trainer_with):
    timer, module = StepTimer(2, 0.0, warmup=1, least=3), Module()
    trainer_with(timer).fit(module, steps.loader(BatchLoader(Rows(), ORDER), [2, 3]))
    assert module.seen == [(1, 2), (1, 3), (2, 3), (2, 2), (2, 3), (2, 2)]
    done = timer.done
    assert (done.steps, done.rows, done.pieces) == (3, 6, 3 + 5 + 3)
    # a product of each place with four weights, and the weights' gradient: the input has none
    assert done.flops == 2 * (2 * 4) * (2 * 2 + 2 * 3 + 2 * 2)
    assert done.seconds > 0


def test_a_step_that_fails_ends_the_counting(trainer_with):
    timer, module = StepTimer(20, 0.0), Module()
    with pytest.raises(RuntimeError, match="broken"):
        trainer_with(timer).fit(module, steps.loader(BatchLoader(Rows(), ORDER), [2] * 20))
    assert not timer._counting._exit_callbacks
