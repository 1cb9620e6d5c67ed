"""Steps timed inside of Lightning's trainer."""

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from tests.trainers import quiet_trainer
from tinydistill.benchmarking.piece import MEDIAN
from tinydistill.benchmarking.steps import StepTimer, measure_steps


class Module(pl.LightningModule):
    def __init__(self, broken_at=None):
        super().__init__()
        self.layer, self.seen, self.broken_at = nn.Linear(1, 4, bias=False), [], broken_at

    def training_step(self, batch, batch_idx):
        self.seen.append(tuple(batch["input_ids"].shape))
        if len(self.seen) == self.broken_at:
            raise RuntimeError("broken")
        return self.layer(batch["attention_mask"].float().unsqueeze(-1)).sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.0)


class Loader:
    """Two batches whose rows have as many tokens as is said here."""

    def __iter__(self):
        for lengths in ([2, 3], [1, 2]):
            mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
            yield {"input_ids": torch.zeros_like(mask, dtype=torch.long), "attention_mask": mask.long()}

    def __len__(self):
        return 2


@pytest.fixture
def trainer(tmp_path):
    return quiet_trainer(tmp_path, max_epochs=-1, max_steps=10**6)


def test_one_row_of_every_length_is_counted_and_what_follows_the_warm_up_is_timed(trainer):
    module = Module()
    done = measure_steps("general", module, Loader(), trainer, seconds=0.0, whole=100.0)
    counted, warming, timed = [(1, 3), (1, 2)], [(2, 3), (2, 2)], [(2, 3), (2, 2), (2, 3)]
    assert module.seen == counted + warming + timed
    median = done.more.pop(MEDIAN)
    assert done.more == {"steps": 3, "rows": 6}
    assert median > 0
    assert (done.unit, done.units, done.whole) == ("token", 5 + 3 + 5, 100.0)
    # a product of each place with four weights, and the weights' gradient: the input has none
    assert done.flops == 2 * (2 * 4) * (2 * 3 + 2 * 2 + 2 * 3)
    assert done.seconds > 0


def test_a_length_that_comes_late_is_counted_while_the_clock_stands_still(trainer):
    class Late(Loader):
        def __iter__(self):
            (long, short), ones = super().__iter__(), torch.ones(2, 5, dtype=torch.long)
            yield from (long, dict(long), dict(long), dict(long), {"input_ids": ones, "attention_mask": ones}, short)

        def __len__(self):
            return 6

    timer, module = StepTimer(0.0, warmup=1), Module()
    trainer.callbacks.append(timer)
    trainer.fit(module, Late())
    assert module.seen == [(1, 3), (2, 3), (2, 3), (2, 3), (1, 5), (1, 2), (2, 3)]
    assert (timer.steps, timer.tokens) == (3, 15)


def test_a_step_that_fails_ends_the_counting(trainer):
    timer = StepTimer(0.0)
    trainer.callbacks.append(timer)
    with pytest.raises(RuntimeError, match="broken"):
        trainer.fit(Module(broken_at=1), Loader())
    assert not timer._counting._exit_callbacks
