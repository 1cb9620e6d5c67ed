"""How fast something is computed is the trainer's choice: 50 steps end the same, to rounding, whatever is chosen."""

import pytest
import torch

from tests.conftest import bert
from tinydistill.distillation import functional, imitation
from tinydistill.distillation.layer_distiller import LayerDistiller
from tinydistill.distillation.objective import Objective
from tinydistill.models import attention
from tinydistill.models.fast_paths import cpu_kernels as kernels
from tinydistill.models.observation import Observer
from tinydistill.training.optimization import adamw, parameter_groups

STEPS = 50
BATCHES = torch.randint(5, 27, (STEPS, 8, 24), generator=torch.Generator().manual_seed(0))


def trained(dtype: torch.dtype = torch.float32, **batch: torch.Tensor) -> torch.Tensor:
    """The losses [STEPS] of a distillation in this precision."""
    torch.manual_seed(0)
    objective = Objective((1, 3), scale="raw")
    teacher = attention.use(bert(4, 32, seed=1, initializer_range=0.2).to(dtype))
    distiller = LayerDistiller(teacher, attention.use(bert(2, 16)), objective)
    optimizer = adamw(parameter_groups(distiller), lr=1e-2)
    seen = []
    for ids in BATCHES:
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            _, terms = distiller.imitation({"input_ids": ids, **batch})
            loss = objective.total(terms)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(distiller.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seen.append(loss.detach())
    losses = torch.stack(seen)
    assert losses[-5:].mean() < 0.5 * losses[0]  # something was learned
    return losses


def test_attention_in_products_and_fused_train_alike_in_bf16(monkeypatch):
    ours = trained(torch.bfloat16)
    monkeypatch.setitem(kernels._chosen, "fast", False)
    torch.testing.assert_close(ours, trained(torch.bfloat16), rtol=0.02, atol=0)


def test_attention_that_may_be_in_products_trains_the_very_same_in_fp32(monkeypatch):
    ours = trained()
    monkeypatch.setitem(kernels._chosen, "fast", False)
    assert torch.equal(ours, trained())


def test_a_mask_that_masks_nothing_changes_no_loss():
    masked = trained(attention_mask=torch.ones(8, 24, dtype=torch.long))
    torch.testing.assert_close(trained(), masked, rtol=1e-4, atol=0)


def test_a_teacher_that_stops_at_its_last_mapped_layer_teaches_the_very_same(monkeypatch):
    ours = trained()
    monkeypatch.setattr(imitation, "Observer", lambda *layers, whole=True: Observer(*layers))
    assert torch.equal(ours, trained())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_both_forms_of_the_attention_loss_train_alike(dtype, monkeypatch):
    ours = trained(dtype)
    monkeypatch.setattr(functional, "attention_mse_scores", functional.attention_mse_gram)
    torch.testing.assert_close(ours, trained(dtype), rtol=1e-3 if dtype == torch.float32 else 0.02, atol=0)
