"""A head that is solved for: against known answers, and in every architecture."""

import pytest
import torch
from transformers import AutoModel, DistilBertConfig, ElectraConfig, ModernBertConfig, RobertaConfig

from tests.conftest import bert
from tinydistill.initialization.head import head_maps, solve_head
from tinydistill.models.heads import Head, add_head

SIZES = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 32,
    "max_position_embeddings": 32,
}
DISTILBERT = {"vocab_size": 40, "dim": 16, "n_layers": 2, "n_heads": 4, "hidden_dim": 32, "max_position_embeddings": 32}


def rows(outputs, *, batches=40, seed=0):
    """Batches of random tokens with logits still to be filled."""
    generator = torch.Generator().manual_seed(seed)
    return [
        {
            "input_ids": torch.randint(5, 20, (16, 8), generator=generator),
            "attention_mask": torch.ones(16, 8, dtype=torch.long),
            "teacher_logits": torch.zeros(16, outputs),
        }
        for _ in range(batches)
    ]


@torch.no_grad()
def logits(model, batch):
    return model.eval()(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits


@pytest.mark.parametrize("labels", [("a", "b", "c"), ()], ids=["classes", "a number"])
def test_logits_that_the_states_hold_are_found(labels):
    model = add_head(bert(2, 16, seed=1, initializer_range=0.2), Head(labels), seed=0).eval()
    batches = rows(len(labels) or 1)
    state = torch.Generator().manual_seed(5)
    wanted = torch.randn(16, len(labels) or 1, generator=state)
    with torch.no_grad():
        for batch in batches:
            states = model.base_model(input_ids=batch["input_ids"]).last_hidden_state[:, 0]
            batch["teacher_logits"] = states @ wanted + 3
    unexplained = solve_head(model, batches[:30])
    assert unexplained < 0.1
    unseen = batches[30:]
    ours = torch.cat([logits(model, batch) for batch in unseen])
    theirs = torch.cat([batch["teacher_logits"] for batch in unseen])
    assert (ours - theirs).square().mean() < 0.1 * theirs.var(0).mean()


def test_what_the_states_do_not_hold_is_not_pretended():
    model = add_head(bert(2, 16, seed=1, initializer_range=0.2), Head(("a", "b")), seed=0)
    batches = rows(2)
    generator = torch.Generator().manual_seed(7)
    for batch in batches:
        batch["teacher_logits"] = torch.randn(16, 2, generator=generator)
    assert 0.9 < solve_head(model, batches) < 1.2


@pytest.mark.parametrize(
    "config",
    [
        RobertaConfig(**SIZES, pad_token_id=0),
        ElectraConfig(**SIZES, embedding_size=16),
        DistilBertConfig(**DISTILBERT),
        ModernBertConfig(**SIZES, pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2),
    ],
    ids=lambda config: config.model_type,
)
def test_every_architecture_has_its_two_maps(config):
    torch.manual_seed(0)
    model = add_head(AutoModel.from_config(config), Head(("a", "b")), seed=0)
    hidden, output = head_maps(model)
    assert hidden.in_features == hidden.out_features == output.in_features == 16
    assert output.out_features == 2
    teacher = add_head(AutoModel.from_config(config), Head(("a", "b")), seed=3)
    batches = rows(2, batches=12)
    for batch in batches:
        batch["teacher_logits"] = 50 * logits(teacher, batch)
    before = sum((logits(model, b) - b["teacher_logits"]).square().mean() for b in batches)
    model.train()
    solve_head(model, batches)
    assert model.training
    after = sum((logits(model, b) - b["teacher_logits"]).square().mean() for b in batches)
    assert after < before


@torch.no_grad()
def test_what_all_tokens_of_a_window_have_in_common_changes_no_head_that_is_compared_within_it():
    head = Head(("start", "end"), "AutoModelForQuestionAnswering")
    encoder = bert(2, 16, seed=1, initializer_range=0.2)
    generator, wanted = torch.Generator().manual_seed(3), torch.randn(16, 2, generator=torch.Generator().manual_seed(5))
    batches = rows(2, batches=30)
    for batch in batches:
        batch["valid"] = torch.rand(16, 8, generator=generator) < 0.7
        batch["valid"][:, 0] = True
        states = encoder(input_ids=batch["input_ids"]).last_hidden_state
        shifts = 20 * torch.randn(16, 1, 2, generator=generator)
        batch["teacher_logits"] = states @ wanted + shifts

    def solved(*, per_window):
        model = add_head(encoder, head, seed=0)
        return model, solve_head(model, batches, per_window=per_window)

    model, unexplained = solved(per_window=True)
    assert unexplained < 1e-4
    output = model.eval()(input_ids=batches[0]["input_ids"])
    ours, theirs = torch.stack([output.start_logits, output.end_logits], -1), batches[0]["teacher_logits"]
    torch.testing.assert_close(
        ours - ours.mean(1, keepdim=True), theirs - theirs.mean(1, keepdim=True), atol=0.05, rtol=0
    )
    assert solved(per_window=False)[1] > 0.5
