"""Steps with a loss or a gradient that isn't finite: left out one by one, and an end to a run that has too many."""

import functools
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import nn
from torch.utils.data import DataLoader

from tests.trainers import quiet_trainer
from tinydistill.errors import RunError
from tinydistill.models.finite import not_finite
from tinydistill.training.finite_steps import finite_losses
from tinydistill.training.muon import MuonAdamW
from tinydistill.training.optimization import OptimizedModule, adamw

NAN, INF = float("nan"), float("inf")
FACTORIES = {
    "adamw": adamw,
    "sgd": functools.partial(torch.optim.SGD, momentum=0.9),
    "muon": functools.partial(MuonAdamW, weight_decay=0.01),
}


class Faulty(OptimizedModule):
    """Its loss is multiplied by what stands for a batch; a factor of 0 gives a finite loss an infinite gradient."""

    def __init__(self, factors: list[float], logged: str = "", optimizer: str = "adamw"):
        super().__init__(learning_rate=0.1, optimizer=FACTORIES[optimizer], scheduler=None)
        torch.manual_seed(0)
        self.net = nn.Linear(4, 4)
        self.factors, self.logged, self.weights = factors, logged, []

    def training_step(self, batch, batch_idx):
        self.weights.append(self.net.weight.detach().clone())
        loss = self.net(torch.ones(1, 4)).square().mean()
        factor = self.factors[batch_idx]
        loss = loss + (self.net.bias * 0).sum().sqrt() if factor == 0 else loss * factor
        self.log_training({"train/loss": loss, **({self.logged: loss} if self.logged else {})})
        return loss


def fitted(module: Faulty, directory: Path, **options) -> pl.Trainer:
    """A run over all its batches, which leaves a checkpoint where it is stopped."""
    checkpoint = ModelCheckpoint(directory, filename="last", enable_version_counter=False, save_on_exception=True)
    trainer = quiet_trainer(directory, checkpoint, max_epochs=1, **options)
    trainer.fit(module, DataLoader(torch.zeros(len(module.factors), 1)))
    return trainer


@pytest.mark.parametrize("optimizer", list(FACTORIES))
@pytest.mark.parametrize("clip", [{}, {"gradient_clip_val": 1.0}, {"gradient_clip_val": 1.0, "by": "value"}])
@pytest.mark.parametrize("factor", [NAN, INF, 0])
def test_a_single_batch_that_is_not_finite_is_left_out_and_said_once(tmp_path, capsys, factor, clip, optimizer):
    factors = [1.0] * 30
    factors[7] = factors[19] = factor
    module = Faulty(factors, optimizer=optimizer)
    options = {"gradient_clip_val": clip.get("gradient_clip_val"), "gradient_clip_algorithm": clip.get("by", "norm")}
    fitted(module, tmp_path, **options)
    changed = [not torch.equal(*pair) for pair in zip(module.weights, module.weights[1:], strict=False)]
    assert [step for step, moved in enumerate(changed) if not moved] == [7, 19]
    out = capsys.readouterr().out
    what = "the gradient of net.bias isn't finite" if factor == 0 else f"the loss is {factor}"
    assert out == f"step 8: {what}: this step is left out, and so are others like it without a word\n"


@pytest.mark.parametrize(
    ("factors", "step"),
    [
        ([NAN], 1),  # the only one
        ([1, INF], None),  # one of two may be
        ([NAN] * 2, 2),
        ([1, 1, NAN, 1, NAN], 5),  # two of five are too many
        ([1] * 100 + [NAN] * 9 + [1] * 100, None),
        ([1] * 100 + [NAN] * 10 + [1] * 100, 110),  # ten in a row
        ([1, NAN] * 50, 20),  # a tenth of all
        ([1] * 50 + [0] * 50, 60),
        ([1] * 19 + [NAN], None),  # the last one
    ],
)
@pytest.mark.parametrize("clip", [None, 1.0])
def test_a_run_with_too_many_of_them_stops_and_keeps_finite_weights(tmp_path, capsys, factors, step, clip):
    module = Faulty(factors)
    if step is None:
        fitted(module, tmp_path, gradient_clip_val=clip)
        return
    with pytest.raises(RunError, match=f"^step {step}: .* training has stopped, with the weights of the last good"):
        fitted(module, tmp_path, gradient_clip_val=clip)
    assert capsys.readouterr().out.count("left out") == (len(factors) > 1)
    if step > 1:
        kept = torch.load(tmp_path / "last.ckpt", weights_only=True)
        assert not_finite(kept["state_dict"].items()) is None
        repaired = Faulty([1.0] * len(factors))
        repaired.load_state_dict(kept["state_dict"])


@pytest.mark.parametrize(
    ("logged", "said"),
    [
        ("", "the loss is nan"),
        ("train/raw/hidden/2", "the hidden loss of layer 2 is nan"),
        ("train/raw/embedding/0", "the embedding loss of layer 0 is nan"),
        ("train/raw/prediction", "the prediction loss is nan"),
        ("train/unexplained/hidden/2", "the loss is nan"),
    ],
)
def test_the_term_and_its_layer_are_named(tmp_path, logged, said):
    with pytest.raises(RunError, match=f"^step 2: {said}; 2 steps were left out for such values"):
        fitted(Faulty([NAN, NAN, 1], logged), tmp_path)


def test_a_batch_of_an_accumulated_step_leaves_the_whole_step_out(tmp_path):
    module = Faulty([1, 1, NAN, 1, 1, 1, 1, 1])
    fitted(module, tmp_path, accumulate_grad_batches=2)
    assert torch.equal(module.weights[2], module.weights[4])
    assert not torch.equal(module.weights[4], module.weights[6])


class Breaking(torch.optim.SGD):
    """Its second step makes a weight infinite, as a division by nothing does."""

    steps = 0

    def step(self, closure=None):
        loss = super().step(closure)
        self.steps += 1
        if self.steps == 2:
            with torch.no_grad():
                self.param_groups[0]["params"][0][0, 0] = INF
        return loss


def test_weights_that_are_broken_stop_a_run_at_once_and_reach_no_checkpoint(tmp_path):
    module = Faulty([1.0] * 8)
    module._make_optimizer = Breaking
    with pytest.raises(RunError, match=r"^step 3: the loss is (nan|inf), and net.weight holds values that aren't fin"):
        fitted(module, tmp_path)
    assert not list(tmp_path.glob("*.ckpt"))


def test_broken_weights_are_neither_saved_nor_gone_on_from(tmp_path):
    module = Faulty([1.0] * 2)
    module._make_optimizer = Breaking  # after the last step
    with pytest.raises(RunError, match=r"^net.weight holds values that aren't finite"):
        fitted(module, tmp_path)
    fitted(Faulty([1.0] * 2), tmp_path)
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    checkpoint["state_dict"]["net.bias"][0] = NAN
    torch.save(checkpoint, tmp_path / "broken.ckpt")
    trainer = quiet_trainer(tmp_path, max_epochs=2)
    with pytest.raises(RunError, match=r"can't be gone on from: net.bias holds values that aren't finite"):
        trainer.fit(Faulty([1.0] * 2), DataLoader(torch.zeros(2, 1)), ckpt_path=tmp_path / "broken.ckpt")


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_a_held_out_loss_that_is_not_finite_is_no_result(value):
    assert finite_losses({"heldout/loss": torch.tensor(0.5)}) == {"heldout/loss": 0.5}
    with pytest.raises(RunError, match=r"heldout/raw/hidden/1 isn't finite: held-out text has no loss"):
        finite_losses({"heldout/loss": value, "heldout/raw/hidden/1": value, "heldout/raw/hidden/2": 1.0})


class OnOneRank(Faulty):
    """The second process alone has a batch with an infinite loss, whose gradient is finite."""

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        if self.global_rank == 1 and batch_idx == 7:
            self._finite.add({"train/loss": loss * INF})
        return loss

    def on_train_end(self):
        changed = [not torch.equal(*pair) for pair in zip(self.weights, self.weights[1:], strict=False)]
        assert [step for step, moved in enumerate(changed) if not moved] == [7], (self.global_rank, changed)


@pytest.mark.slow
def test_a_step_that_is_not_finite_on_one_process_is_left_out_on_all(tmp_path):
    fitted(OnOneRank([1.0] * 30), tmp_path, strategy="ddp_fork", devices=2)
