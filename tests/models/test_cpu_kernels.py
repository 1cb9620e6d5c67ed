import copy

import torch
from torch import nn

from tests.conftest import bert
from tinydistill.models.fast_paths import cpu_kernels as kernels


def test_a_packed_map_computes_what_the_map_computes_and_shares_its_weights():
    linear = nn.Linear(24, 40).to(torch.bfloat16).requires_grad_(False)
    packed = kernels.PackedLinear(linear)
    x = torch.randn(3, 5, 24)
    torch.testing.assert_close(packed(x.bfloat16()), linear(x.bfloat16()), atol=0.02, rtol=0.02)
    assert packed.weight is linear.weight
    assert packed.state_dict().keys() == linear.state_dict().keys()
    torch.testing.assert_close(packed.float()(x), linear.float()(x))  # no bf16, not packed


def test_a_packed_model_computes_the_same_and_keeps_its_weights_names():
    model = bert(initializer_range=0.2).to(torch.bfloat16).requires_grad_(False)
    plain = copy.deepcopy(model)
    kernels.pack(model)
    assert any(isinstance(module, kernels.PackedLinear) for module in model.modules())
    assert model.state_dict().keys() == plain.state_dict().keys()
    ids = torch.randint(5, 27, (4, 12))
    states = [m(ids).last_hidden_state.float() for m in (model, plain)]
    torch.testing.assert_close(*states, atol=0.05, rtol=0.05)


def test_fp32_is_packed_where_it_is_asked_for():
    model = nn.Sequential(nn.Linear(24, 40), nn.LayerNorm(40)).requires_grad_(False)
    x = torch.randn(5, 24)
    expected = model(x)
    kernels.pack(model)
    assert type(model[0]) is nn.Linear
    kernels.pack(model, torch.float32)
    assert isinstance(model[0], kernels.PackedLinear)
    torch.testing.assert_close(model(x), expected)
    with kernels.plain():
        assert torch.equal(model(x), expected)


def test_what_trains_or_is_no_bf16_stays_as_it_is(monkeypatch):
    trained = nn.Linear(4, 4).to(torch.bfloat16)
    exact = nn.Linear(4, 4).requires_grad_(False)
    frozen = nn.Linear(4, 4).to(torch.bfloat16).requires_grad_(False)
    assert [kernels.packed(x) is x for x in (trained, exact, frozen)] == [True, True, False]
    monkeypatch.setitem(kernels._chosen, "fast", False)
    assert kernels.packed(frozen) is frozen
