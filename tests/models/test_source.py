from pathlib import Path

import pytest
import torch
from transformers import AutoModelForMaskedLM, BertTokenizerFast, RobertaConfig

from tests.conftest import SPECIAL, WORDS, bert
from tinydistill.errors import InputError
from tinydistill.models.heads import Head, add_head
from tinydistill.models.loading import identity, save_model
from tinydistill.models.source import check_vocabularies, find, longest_input


def test_a_source_knows_its_model_before_any_weight_is_read(teacher_dir):
    source = find(str(teacher_dir), "teacher.path")
    assert (source.path, source.called, source.revision) == (str(teacher_dir), "teacher.path", None)
    assert source.identity == identity(str(teacher_dir))
    assert source.config.num_hidden_layers == 4
    assert source.encoder(torch.bfloat16).dtype == torch.bfloat16


def test_a_source_loads_the_head_that_is_asked_for(tokenizer, tmp_path):
    save_model(add_head(bert(), Head(("no", "yes")), seed=0), tokenizer, tmp_path / "classifier")
    save_model(AutoModelForMaskedLM.from_config(bert().config), tokenizer, tmp_path / "masked_lm")
    classifier, masked_lm = (find(str(tmp_path / name)) for name in ("classifier", "masked_lm"))
    assert classifier.with_head(Head(("nay", "yea"))).config.id2label == {0: "nay", 1: "yea"}
    assert masked_lm.masked_lm().get_output_embeddings() is not None
    with pytest.raises(InputError, match="the model=.*classifier holds no masked-LM head"):
        classifier.masked_lm()


def tokenizer_of(words: list[str], directory: Path) -> BertTokenizerFast:
    directory.mkdir()
    (directory / "vocab.txt").write_text("\n".join(words) + "\n")
    return BertTokenizerFast(str(directory / "vocab.txt"))


def test_a_tokenizer_of_more_tokens_than_the_model_is_refused(tmp_path):
    save_model(bert(), tokenizer_of([*SPECIAL, *WORDS, "more"], tmp_path / "words"), tmp_path / "model")
    with pytest.raises(InputError, match=r"student=.*model: the tokenizer knows 30 tokens, the model only 29"):
        find(str(tmp_path / "model"), "student")


def test_models_that_number_their_tokens_differently_are_named(teacher_dir, tmp_path):
    save_model(bert(), tokenizer_of([*SPECIAL, *WORDS[::-1]], tmp_path / "words"), tmp_path / "model")
    teacher, student = find(str(teacher_dir), "teacher.path"), find(str(tmp_path / "model"), "student.path")
    check_vocabularies(teacher, teacher)
    with pytest.raises(
        InputError, match=r"student.path and teacher.path don't share a vocabulary \(29 and 29 tokens; "
    ):
        check_vocabularies(teacher, student)


def test_robertas_positions_before_the_first_token_are_no_place_for_input():
    assert longest_input(RobertaConfig(max_position_embeddings=514, pad_token_id=1)) == 512
    assert longest_input(bert().config) == 64
