"""Heads on encoders of several architectures, and what is said about models that don't have the right one."""

import pytest
import torch

from tests.conftest import bert
from tests.encoders import ENCODERS, encoder
from tinydistill.errors import InputError
from tinydistill.models import heads
from tinydistill.models.loading import load_encoder, save_model

IDS = torch.randint(5, 27, (2, 8), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", ENCODERS)
def test_under_a_new_head_the_encoder_is_what_it_was(kind):
    before = encoder(ENCODERS[kind])
    model = heads.add_head(before, heads.Head(("a", "b", "c")), seed=0).eval()
    assert model(input_ids=IDS).logits.shape == (2, 3)
    expected, states = (m(input_ids=IDS).last_hidden_state for m in (before, model.base_model))
    torch.testing.assert_close(states, expected)
    assert before.config.num_labels != 3


def test_the_same_seed_makes_the_same_head_and_moves_no_other_random_number():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second, other = (heads.add_head(bert_once(), heads.Head(("a", "b")), seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(first.classifier.weight, second.classifier.weight)
    assert not torch.equal(first.classifier.weight, other.classifier.weight)


def bert_once():
    """A tiny BERT; the global random state stays as it is."""
    with torch.random.fork_rng():
        return bert()


def test_labels_stand_in_the_configuration():
    config = heads.add_head(bert(), heads.Head(("no", "yes")), seed=0).config
    assert (config.id2label, config.label2id) == ({0: "no", 1: "yes"}, {"no": 0, "yes": 1})
    assert (config.num_labels, config.problem_type) == (2, "single_label_classification")
    config = heads.add_head(bert(), heads.Head(()), seed=0).config
    assert (config.num_labels, config.problem_type) == (1, "regression")


def test_what_was_saved_loads_with_the_same_outputs(tmp_path, tokenizer):
    model = heads.add_head(bert(), heads.Head(("no", "yes")), seed=0).eval()
    save_model(model, tokenizer, tmp_path)
    loaded = heads.load_with_head(str(tmp_path), heads.Head(("nay", "yea")))
    assert not loaded.training
    assert loaded.config.id2label == {0: "nay", 1: "yea"}
    assert torch.equal(loaded(input_ids=IDS).logits, model(input_ids=IDS).logits)
    assert (tmp_path / "vocab.txt").is_file()


def test_a_fine_tuned_model_is_an_encoder_too(tmp_path, tokenizer):
    model = heads.add_head(bert(), heads.Head(("no", "yes")), seed=0).eval()
    save_model(model, tokenizer, tmp_path)
    loaded = load_encoder(str(tmp_path))
    torch.testing.assert_close(
        loaded(input_ids=IDS).last_hidden_state, model.base_model(input_ids=IDS).last_hidden_state
    )


def test_an_encoder_without_a_head_is_no_classifier(tmp_path, tokenizer):
    save_model(bert(), tokenizer, tmp_path)
    with pytest.raises(InputError, match="holds no head for the task: make one with finetune"):
        heads.load_with_head(str(tmp_path), heads.Head(("no", "yes")))
    config = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(config.replace('"BertModel"', '"BertForSequenceClassification"'))
    with pytest.raises(InputError, match="holds no head for the task"):
        heads.load_with_head(str(tmp_path), heads.Head(("no", "yes")))


def test_a_head_with_another_number_of_outputs_is_refused(tmp_path, tokenizer):
    save_model(heads.add_head(bert(), heads.Head(("a", "b", "c")), seed=0), tokenizer, tmp_path)
    with pytest.raises(InputError, match="has 3 outputs, the task asks for 2"):
        heads.load_with_head(str(tmp_path), heads.Head(("no", "yes")))


def test_a_configuration_that_lies_about_its_head_is_refused(tmp_path, tokenizer):
    save_model(heads.add_head(bert(), heads.Head(("a", "b", "c")), seed=0), tokenizer, tmp_path)
    save_model(heads.add_head(bert(), heads.Head(("a", "b")), seed=0), tokenizer, tmp_path / "two")
    (tmp_path / "config.json").write_text((tmp_path / "two" / "config.json").read_text())
    with pytest.raises(InputError, match="other sizes than its config.json says"):
        heads.load_with_head(str(tmp_path), heads.Head(("no", "yes")))
