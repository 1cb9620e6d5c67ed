import pytest
import torch
from torch.nn import functional as F

from tests.encoders import ENCODERS, encoder
from tinydistill.models import attention
from tinydistill.models.fast_paths import attention as fast_path
from tinydistill.models.fast_paths import cpu_kernels as kernels

B, H, L, D = 5, 3, 20, 8


@pytest.fixture(params=["full", "padded"])
def mask(request) -> torch.Tensor | None:
    if request.param == "full":
        return None
    return (torch.arange(L) < torch.tensor([L, 6, 1, 12, 19])[:, None])[:, None, None, :].expand(B, 1, L, L)


def inputs(dtype: torch.dtype) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    flat = [torch.randn(B, L, H * D, generator=generator).to(dtype) for _ in range(3)]
    return [x.view(B, L, H, D).transpose(1, 2).requires_grad_() for x in flat]


def attended(query, key, value, mask, **kwargs) -> torch.Tensor:
    output, maps = attention.attend(torch.nn.Module(), query, key, value, mask, **kwargs)
    assert maps is None
    return output


@pytest.mark.parametrize("scores", [1, 2 * H * L * L, 2**21])
def test_attention_in_products_is_the_fused_kernels_with_its_gradients(mask, scores, monkeypatch):
    monkeypatch.setattr(fast_path, "_SCORES", scores)  # a row at a time, two with one left over, all
    ours, exact = inputs(torch.bfloat16), inputs(torch.bfloat16)
    output = attended(*ours, mask)
    expected = F.scaled_dot_product_attention(*(x.float() for x in exact), attn_mask=mask).transpose(1, 2)
    assert output.shape == (B, L, H, D)
    torch.testing.assert_close(output.float(), expected, atol=0.03, rtol=0.03)
    weights = torch.randn(B, L, H, D)
    (output * weights).sum().backward()
    (expected * weights).sum().backward()
    for x, y in zip(ours, exact, strict=True):
        torch.testing.assert_close(x.grad, y.grad, atol=0.05, rtol=0.05)


@pytest.mark.parametrize(
    ("dtype", "asked", "products"),
    [
        (torch.bfloat16, {}, True),
        (torch.bfloat16, {"scaling": 0.5}, True),
        (torch.bfloat16, {"dropout": 0.1}, False),
        (torch.bfloat16, {"is_causal": True}, False),
        (torch.float32, {}, False),
    ],
)
def test_only_what_products_do_faster_is_left_to_them(dtype, asked, products, monkeypatch):
    taken = []
    apply = fast_path._Products.apply
    monkeypatch.setattr(fast_path._Products, "apply", lambda *seen: taken.append(seen) or apply(*seen))
    attended(*inputs(dtype), None, **asked)
    assert bool(taken) is products
    monkeypatch.setitem(kernels._chosen, "fast", False)
    taken.clear()
    attended(*inputs(dtype), None, **asked)
    assert not taken


def test_a_long_text_is_left_to_the_fused_kernel(monkeypatch):
    monkeypatch.setattr(fast_path, "_LONGEST", L - 1)
    monkeypatch.setattr(fast_path._Products, "apply", lambda *_: pytest.fail("taken apart"))
    attended(*inputs(torch.bfloat16), None)


@torch.no_grad()
@pytest.mark.parametrize("name", ENCODERS)
def test_every_architecture_computes_the_same_in_products(name, monkeypatch):
    model = encoder(ENCODERS[name]).to(torch.bfloat16).eval()
    mask = (torch.arange(20) < torch.tensor([20, 12])[:, None]).long()
    batch = {"input_ids": torch.randint(5, 60, (2, 20)), "attention_mask": mask}
    states = {}
    for products in (True, False):
        monkeypatch.setitem(kernels._chosen, "fast", products)
        states[products] = attention.use(model)(**batch).last_hidden_state[mask.bool()].float()
    torch.testing.assert_close(states[True], states[False], atol=0.06, rtol=0.06)


def test_the_way_of_attending_is_not_saved(tmp_path):
    model = attention.use(encoder(next(iter(ENCODERS.values()))))
    model.save_pretrained(tmp_path)
    assert "tinydistill" not in (tmp_path / "config.json").read_text()
