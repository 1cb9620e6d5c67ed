"""An encoder that nobody here has heard of, whose parts its user names: the closed form works for it."""

from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from tinydistill.errors import InputError
from tinydistill.initialization.closed_form import solve_projections, solve_student
from tinydistill.models import encoder_parts as parts
from tinydistill.models.encoder_parts import Embeddings, EncoderParts, Layer, register_encoder_parts
from tinydistill.models.observation import Observer
from tinydistill.models.students import new_student, student_config


class AcornConfig(PretrainedConfig):
    model_type = "acorn"

    def __init__(self, vocab_size=29, hidden_size=32, num_hidden_layers=4, num_attention_heads=4, **options):
        self.vocab_size, self.hidden_size = vocab_size, hidden_size
        self.num_hidden_layers, self.num_attention_heads = num_hidden_layers, num_attention_heads
        self.intermediate_size = options.pop("intermediate_size", 64)
        super().__init__(**options)


class Twig(nn.Module):
    def __init__(self, config):
        super().__init__()
        width, inner = config.hidden_size, config.intermediate_size
        self.heads = config.num_attention_heads
        self.ask, self.offer, self.carry, self.mix = (nn.Linear(width, width) for _ in range(4))
        self.widen, self.narrow = nn.Linear(width, inner), nn.Linear(inner, width)
        self.first_norm, self.second_norm = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x, mask):
        q, k, v = (m(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for m in (self.ask, self.offer, self.carry))
        attended = F.scaled_dot_product_attention(q, k, v, mask[:, None, None]).transpose(1, 2).flatten(2)
        x = self.first_norm(x + self.mix(attended))
        return self.second_norm(x + self.narrow(F.gelu(self.widen(x))))


class AcornModel(PreTrainedModel):
    config_class = AcornConfig
    base_model_prefix = "acorn"

    def __init__(self, config):
        super().__init__(config)
        self.words = nn.Embedding(config.vocab_size, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size)
        self.twigs = nn.ModuleList(Twig(config) for _ in range(config.num_hidden_layers))
        self.post_init()

    def _init_weights(self, module):
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.2)

    def get_input_embeddings(self):
        return self.words

    def forward(self, input_ids, attention_mask=None, output_hidden_states=False, **_):
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        states = [self.norm(self.words(input_ids))]
        for twig in self.twigs:
            states.append(twig(states[-1], mask.bool()))
        return BaseModelOutput(states[-1], tuple(states) if output_hidden_states else None)


AutoConfig.register("acorn", AcornConfig)
AutoModel.register(AcornConfig, AcornModel)


def acorn_parts(model: AcornModel) -> EncoderParts:
    """All that a user writes."""
    layers = [
        Layer(
            heads=twig.heads,
            query=twig.ask,
            key=twig.offer,
            value=twig.carry,
            attention_out=twig.mix,
            attention_norm=twig.first_norm,
            ffn_in=twig.widen,
            activation=F.gelu,
            ffn_out=twig.narrow,
            ffn_norm=twig.second_norm,
        )
        for twig in model.twigs
    ]
    return EncoderParts(Embeddings(model.words, None, None, model.norm), list(model.twigs), layers)


def text(seed: int) -> list[dict[str, torch.Tensor]]:
    ids = torch.randint(5, 29, (200, 16), generator=torch.Generator().manual_seed(seed)).sort(dim=1).values
    return [{"input_ids": part} for part in ids.split(50)]


@torch.no_grad()
def unexplained(student, teacher, mapping) -> torch.Tensor:
    """Of the embeddings and both layers, on unseen text."""
    projections = solve_projections(student, teacher, mapping, text(0))
    S, T = Observer(student, [0, 1, 2]), Observer(teacher, [0, *mapping])
    shares = []
    for m, n in enumerate([0, *mapping]):
        weight, bias = projections[m]
        x, y = (torch.cat([o(b).hidden[k] for b in text(1)]) for o, k in ((S, m), (T, n)))
        shares.append((x @ weight.T + bias - y).square().mean() / y.var((0, 1)).mean())
    return torch.stack(shares)


@pytest.fixture
def unknown(monkeypatch):
    monkeypatch.setattr(parts, "_FINDERS", dict(parts._FINDERS))


def pair():
    torch.manual_seed(0)
    teacher = AutoModel.from_config(AcornConfig()).eval()
    sizes = {"num_layers": 2, "hidden_size": 16, "intermediate_size": 32, "num_heads": 4, "dropout": 0.0}
    config = student_config(teacher.config, **sizes)
    return teacher, new_student(config, 0).eval(), new_student(config, 0).eval()


def test_without_its_parts_an_architecture_is_refused(unknown):
    teacher, student, _ = pair()
    with pytest.raises(InputError, match="the parts of acorn encoders are not known"):
        solve_student(student, teacher, (2, 4), text(0), seed=0)


def test_with_its_parts_named_a_student_is_solved_for(unknown):
    register_encoder_parts("acorn", acorn_parts)
    teacher, solved, random = pair()
    assert solve_student(solved, teacher, (2, 4), text(0), seed=0) == ()
    assert (unexplained(solved, teacher, (2, 4)) < 0.8 * unexplained(random, teacher, (2, 4))).all()


def test_named_parts_compute_what_the_model_computes(unknown):
    register_encoder_parts("acorn", acorn_parts)
    teacher, *_ = pair()
    batch, mask = text(0)[0], torch.ones(50, 16, dtype=torch.bool)
    states = teacher(**batch, output_hidden_states=True).hidden_states
    for n, layer in enumerate(parts.encoder_parts(teacher).layers):
        torch.testing.assert_close(layer.feed_forward(layer.attend(states[n], mask)), states[n + 1])


def test_layers_above_those_looked_at_are_left_out_of_a_named_encoder_too(unknown):
    register_encoder_parts("acorn", acorn_parts)
    teacher, *_ = pair()
    teacher.twigs[3].forward = None  # would fail
    seen = Observer(teacher, [2], whole=False)(text(0)[0]).hidden[2]
    assert seen.shape == (50, 16, 32)


def test_a_package_names_parts_with_an_entry_point(unknown, monkeypatch):
    @dataclass
    class Entry:
        name: str

        def load(self):
            return acorn_parts

    asked = []

    def entry_points(*, group, name):
        asked.append((group, name))
        return [Entry(name)]

    monkeypatch.setattr(parts, "metadata", SimpleNamespace(entry_points=entry_points))
    teacher, *_ = pair()
    assert len(parts.encoder_parts(teacher).layers) == len(parts.encoder_parts(teacher).layers) == 4
    assert asked == [("tinydistill.encoder_parts", "acorn")]
