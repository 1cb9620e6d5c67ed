"""Muon and AdamW as one optimizer."""

import copy
import functools

import pytest
import torch
from torch import nn

from tinydistill.training.muon import MuonAdamW
from tinydistill.training.optimization import linear_with_warmup, parameter_groups


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table, self.map, self.norm = nn.Embedding(10, 8), nn.Linear(8, 8), nn.LayerNorm(8)

    def forward(self, ids):
        return self.norm(self.map(self.table(ids)))


def stepped(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> list[float]:
    losses = []
    for step in range(steps):
        ids = (torch.arange(6) + step) % 10
        loss = (model(ids) - ids[:, None] / 10).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def test_tables_biases_and_norms_are_adamws_and_matrices_muons():
    model = Small()
    optimizer = MuonAdamW(parameter_groups(model), lr=1e-2)
    muon, adamw = optimizer._parts
    assert [p.shape for group in muon.param_groups for p in group["params"]] == [(8, 8)]
    assert sum(p.numel() for group in adamw.param_groups for p in group["params"]) == 80 + 8 + 16
    assert {group["weight_decay"] for group in adamw.param_groups} == {0.01, 0.0}


def rates(optimizer: MuonAdamW) -> set[float]:
    return {round(group["lr"], 9) for part in optimizer._parts for group in part.param_groups}


def test_it_learns():
    model = Small()
    losses = stepped(model, MuonAdamW(parameter_groups(model), lr=1e-2), 60)
    assert losses[-1] < 0.7 * losses[0]


def test_both_parts_follow_a_schedule():
    optimizer = MuonAdamW(parameter_groups(Small()), lr=1e-2)
    schedule = linear_with_warmup(optimizer, 100)
    assert rates(optimizer) == {1e-3}
    optimizer.step()
    schedule.step()
    assert rates(optimizer) == {2e-3}


@pytest.mark.parametrize("make", [MuonAdamW, functools.partial(torch.optim.AdamW, fused=True)])
def test_a_run_that_goes_on_from_its_state_steps_as_if_it_had_not_been_cut(make):
    one, other = Small(), Small()
    optimizer = make(parameter_groups(one), lr=1e-2)
    stepped(one, optimizer, 4)
    other.load_state_dict(one.state_dict())
    resumed = make(parameter_groups(other), lr=1e-2)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert resumed.state
    for model, stepping in ((one, optimizer), (other, resumed)):
        stepped(model, stepping, 2)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
