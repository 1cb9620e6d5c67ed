import itertools

import pytest
import torch

from tests.conftest import bert, sentences
from tests.encoders import ENCODERS, encoder
from tinydistill.models.observation import Observer, attention_probabilities
from tinydistill.report.attention import TOKENS, attention_maps, draw


@pytest.mark.parametrize("kind", ENCODERS)
@torch.no_grad()
def test_probabilities_are_those_that_the_model_computes(kind):
    model = encoder(ENCODERS[kind])
    row = {"input_ids": torch.randint(5, 60, (1, 15)), "attention_mask": torch.ones(1, 15, dtype=torch.long)}
    model.set_attn_implementation("eager")
    expected = model(**row, output_attentions=True).attentions
    seen = Observer(model, [], [1, 3])(row).attention
    for n, qkv in seen.items():
        torch.testing.assert_close(attention_probabilities(qkv), expected[n - 1][0], atol=1e-5, rtol=1e-5)


def test_maps_of_mapped_layers_stand_side_by_side_with_their_tokens(tokenizer, tmp_path):
    student, teacher = bert(2, initializer_range=0.5), bert(4, 32, initializer_range=0.5)
    (short, long) = attention_maps(
        student, teacher, tokenizer, ["the cat sat", " ".join(sentences(4))], [(1, 2), (2, 4)]
    )
    assert short.tokens == ("[CLS]", "the", "cat", "sat", "[SEP]")
    assert len(long.tokens) == TOKENS
    assert list(short.maps) == [(1, 2), (2, 4)]
    for maps in itertools.chain(*short.maps.values()):
        assert maps.shape == (5, 5)
        torch.testing.assert_close(maps.sum(-1), torch.ones(5))
    student.set_attn_implementation("eager")
    row = tokenizer("the cat sat", return_tensors="pt")
    with torch.no_grad():
        expected = student(**row, output_attentions=True).attentions[1][0]
    torch.testing.assert_close(short.maps[2, 4][0], expected.mean(0), atol=1e-5, rtol=1e-5)
    student.set_attn_implementation("sdpa")
    (one,) = attention_maps(student, teacher, tokenizer, ["the cat sat"], [(2, 4)], head=3)
    torch.testing.assert_close(one.maps[2, 4][0], expected[2], atol=1e-5, rtol=1e-5)
    draw(tmp_path / "maps.png", one)
    assert (tmp_path / "maps.png").read_bytes().startswith(b"\x89PNG")
