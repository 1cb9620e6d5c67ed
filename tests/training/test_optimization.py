"""Schedules, parameter groups, and runs that end bit for bit as if they had not been cut."""

import math

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EMAWeightAveraging, ModelCheckpoint
from torch.optim import SGD
from torch.utils.data import DataLoader

from tests.trainers import quiet_trainer
from tinydistill.errors import InputError
from tinydistill.training.optimization import (
    OptimizedModule,
    adamw,
    constant_with_warmup,
    cosine_with_warmup,
    linear_with_warmup,
    parameter_groups,
)


def rates(schedule, steps: int, warmup: float) -> list[float]:
    optimizer = SGD([torch.nn.Parameter(torch.zeros(()))], lr=1.0)
    scheduler = schedule(optimizer, num_training_steps=steps, warmup=warmup)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_the_rate_rises_linearly_and_falls_linearly_to_zero():
    expected = [0.5, 1, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]
    assert rates(linear_with_warmup, 10, 0.2) == pytest.approx(expected)
    assert rates(linear_with_warmup, 1, 0.1) == [1]


def test_other_schedules_rise_alike():
    cosine = [0.5, 1, *(0.5 + 0.5 * math.cos(math.pi * k / 8) for k in range(8))]
    assert rates(cosine_with_warmup, 10, 0.2) == pytest.approx(cosine)
    assert rates(constant_with_warmup, 5, 0.4) == pytest.approx([0.5, 1, 1, 1, 1])


def test_a_schedule_without_an_end_is_refused():
    with pytest.raises(InputError, match="a schedule needs an end: give the Trainer max_steps or max_epochs"):
        linear_with_warmup(SGD([torch.nn.Parameter(torch.zeros(()))]), math.inf)


def test_biases_and_layer_norms_do_not_decay():
    module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.LayerNorm(3))
    decayed, free = adamw(parameter_groups(module), lr=0.1).param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.01, 0)
    assert [p.shape for p in decayed["params"]] == [(3, 2)]
    assert len(free["params"]) == 3


class Dropping(OptimizedModule):
    """A little network with dropout that is cut before a batch."""

    def __init__(self, cut: int = -1, **options):
        super().__init__(learning_rate=0.1, **options)
        torch.manual_seed(0)
        self.layers = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 1))
        self.cut, self.begun = cut, 0

    def training_step(self, batch, batch_idx):
        if self.begun == self.cut:
            raise KeyboardInterrupt("killed")
        self.begun += 1
        loss = self.layers(batch).square().mean()
        self.log_training({"train/loss": loss})
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("score", self.layers(batch).mean())


ROWS = torch.randn(28, 4, generator=torch.Generator().manual_seed(1))


def fit(module: Dropping, root, *callbacks, checkpoint=None, **options) -> pl.Trainer:
    torch.manual_seed(5)
    run = quiet_trainer(root, *callbacks, **options)
    validation = DataLoader(ROWS, batch_size=8, generator=torch.Generator())  # as ours: it draws no global number
    run.fit(module, StatefulLoader(run), validation, ckpt_path=checkpoint)
    return run


class StatefulLoader:
    """Seven batches of four rows, going on in the middle of an epoch."""

    def __init__(self, trainer: pl.Trainer):
        self.trainer = trainer

    def __len__(self) -> int:
        return 7

    def __iter__(self):
        done = self.trainer.fit_loop.epoch_loop.batch_progress.current.ready
        yield from ROWS.split(4)[done:]

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


@pytest.mark.parametrize("accumulate", [1, 2, 3])
@pytest.mark.parametrize("at", [1, 2, 5, 6, 7, 9, 13])
def test_a_run_that_is_cut_anywhere_ends_bit_for_bit_the_same(tmp_path, accumulate, at):
    options = {"accumulate_grad_batches": accumulate, "max_epochs": 2, "gradient_clip_val": 1.0}
    straight = Dropping()
    fit(straight, tmp_path, **options)
    kept = ModelCheckpoint(tmp_path, "fell", save_on_exception=True, enable_version_counter=False, every_n_epochs=99)
    with pytest.raises(SystemExit):
        fit(Dropping(cut=at), tmp_path, kept, **options)
    resumed, fell = Dropping(), tmp_path / "fell.ckpt"
    run = fit(resumed, tmp_path, checkpoint=fell if at >= accumulate else None, **options)  # none before the first step
    assert resumed.begun == 14 - (at if at >= accumulate else 0)
    assert run.global_step == 2 * math.ceil(7 / accumulate)
    for ours, theirs in zip(resumed.parameters(), straight.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_averaged_weights_go_on_where_a_run_was_cut_too(tmp_path):
    straight, resumed = Dropping(), Dropping()
    fit(straight, tmp_path, EMAWeightAveraging(decay=0.9), max_epochs=2)
    kept = ModelCheckpoint(tmp_path, "fell", save_on_exception=True, enable_version_counter=False, every_n_epochs=99)
    with pytest.raises(SystemExit):
        fit(Dropping(cut=9), tmp_path, kept, EMAWeightAveraging(decay=0.9), max_epochs=2)
    fit(resumed, tmp_path, EMAWeightAveraging(decay=0.9), checkpoint=tmp_path / "fell.ckpt", max_epochs=2)
    for ours, theirs in zip(resumed.parameters(), straight.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(("algorithm", "logged"), [("norm", True), ("value", False)])
def test_gradients_are_clipped_as_the_trainer_says_with_a_fused_optimizer_too(tmp_path, algorithm, logged):
    module = Dropping()
    run = fit(
        module,
        tmp_path,
        max_steps=2,
        gradient_clip_val=1e-3,
        gradient_clip_algorithm=algorithm,
        precision="bf16-mixed",
    )
    assert ("train/gradient_norm" in run.callback_metrics) is logged
    largest = max(float(p.grad.abs().max()) for p in module.parameters())
    assert largest <= 1.01e-3
