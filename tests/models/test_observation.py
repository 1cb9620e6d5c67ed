import math

import pytest
import torch
from transformers import AlbertConfig, AutoModel, MPNetConfig, PreTrainedModel

from tests.conftest import bert
from tests.encoders import ENCODERS, SIZES, encoder
from tinydistill.errors import InputError
from tinydistill.models.encoder_parts import transformer_layers
from tinydistill.models.observation import Observer, padding_mask, release, valid_tokens


@pytest.fixture(params=ENCODERS)
def model(request) -> PreTrainedModel:
    return encoder(ENCODERS[request.param])


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    mask = torch.ones(2, 20, dtype=torch.long)
    mask[1, 12:] = 0
    return {"input_ids": torch.randint(5, 60, (2, 20)), "attention_mask": mask}


@torch.no_grad()
def test_hidden_states_are_those_of_the_model(model, batch):
    expected = model(**batch, output_hidden_states=True).hidden_states
    seen = Observer(model, [0, 2, 3], [2])(batch)
    assert sorted(seen.hidden) == [0, 2, 3]
    for n, states in seen.hidden.items():
        assert torch.equal(states, expected[n])


@torch.no_grad()
def test_queries_and_keys_give_the_attention_that_the_model_computes(model, batch):
    model.set_attn_implementation("eager")
    expected = model(**batch, output_attentions=True).attentions
    seen = Observer(model, [], [1, 3])(batch)
    assert sorted(seen.attention) == [1, 3]
    mask = padding_mask(batch)
    for n, (query, key, _, window) in seen.attention.items():
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        allowed = mask[:, None, None, :].expand_as(scores)
        if window is not None:
            position = torch.arange(20)
            allowed = allowed & ((position[:, None] - position).abs() <= window)
        ours = scores.masked_fill(~allowed, -torch.inf).softmax(-1)
        rows = mask[:, None, :].expand(ours.shape[:3])
        torch.testing.assert_close(ours[rows], expected[n - 1][rows], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_labels_rows_and_teacher_logits_of_a_task_are_not_shown_to_the_encoder(model, batch):
    task = {"labels": torch.tensor([0, 1]), "row": torch.tensor([7, 3]), "teacher_logits": torch.zeros(2, 2)}
    seen, expected = Observer(model, [3])({**batch, **task}), Observer(model, [3])(batch)
    assert torch.equal(seen.hidden[3], expected.hidden[3])


@torch.no_grad()
def test_what_lies_above_the_last_layer_asked_for_is_left_out_where_asked(model, batch):
    expected = Observer(model, [0, 2], [1])(batch)
    ran = []
    for n, layer in enumerate(transformer_layers(model), start=1):
        layer.register_forward_hook(lambda *_, n=n: ran.append(n))
    seen = Observer(model, [0, 2], [1], whole=False)(batch)
    assert ran == ([1, 2, 3] if model.config.model_type == "modernbert" else [1, 2])  # its states are normed at the end
    assert len(transformer_layers(model)) == 3
    for n, states in expected.hidden.items():
        assert torch.equal(seen.hidden[n], states)
    assert torch.equal(seen.attention[1].query, expected.attention[1].query)


def test_only_mapped_layers_are_tapped(model, batch):
    observer = Observer(model, [3], [2])
    outputs = model(**batch, output_attentions=True)
    assert len(outputs.attentions) == 1
    assert observer.attention_layers == [2]


def test_gradients_flow_through_what_is_observed(model, batch):
    query, key, *_ = Observer(model, [], [2])(batch).attention[2]
    (query.sum() + key.square().sum()).backward()
    assert model.get_input_embeddings().weight.grad.abs().sum() > 0


@torch.no_grad()
def test_a_released_model_computes_and_saves_as_before(model, batch, tmp_path):
    before = model(**batch).last_hidden_state
    Observer(model, [0], [1])
    release(model).save_pretrained(tmp_path)
    assert "tinydistill" not in (tmp_path / "config.json").read_text()
    assert torch.equal(AutoModel.from_pretrained(tmp_path)(**batch).last_hidden_state, before)


@pytest.mark.parametrize("config", [AlbertConfig(**SIZES, embedding_size=16), MPNetConfig(**SIZES)])
def test_an_architecture_whose_attention_cannot_be_seen_says_so_and_still_shows_its_states(config):
    model = AutoModel.from_config(config).eval()
    with pytest.raises(InputError, match=f"attention of {config.model_type} encoders can't be observed.*in losses"):
        Observer(model, [0], [1])
    assert sorted(Observer(model, [0, 3])({"input_ids": torch.randint(5, 60, (2, 8))}).hidden) == [0, 3]


def test_layers_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match=r"layers \[3\] are not among the 2 layers"):
        Observer(bert(layers=2), [3])
    with pytest.raises(ValueError, match=r"layers \[0\]"):
        Observer(bert(layers=2), [1], [0])


def test_without_a_mask_every_token_is_valid():
    batch = {"input_ids": torch.zeros(2, 3, dtype=torch.long)}
    assert padding_mask(batch) is None
    assert valid_tokens(batch).shape == (2, 3)
    assert valid_tokens(batch).all()


def test_layers_that_one_observer_cuts_off_are_seen_by_the_next():
    model, batch = bert(layers=3), {"input_ids": torch.randint(5, 20, (2, 8))}
    Observer(model, [1], whole=False)(batch)
    assert sorted(Observer(model, range(4))(batch).hidden) == [0, 1, 2, 3]
