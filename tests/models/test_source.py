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


def test_a_token_that_the_teacher_lacks_is_named(teacher_dir, tmp_path):
    save_model(bert(), tokenizer_of([*SPECIAL, *WORDS[1:], "hound"], tmp_path / "words"), tmp_path / "model")
    teacher, student = find(str(teacher_dir), "teacher.path"), find(str(tmp_path / "model"), "student.path")
    check_vocabularies(teacher, teacher)
    message = r"student.path and teacher.path don't share a vocabulary \(29 and 29 tokens; the teacher has no 'hound'\)"
    with pytest.raises(InputError, match=message):
        check_vocabularies(teacher, student)


def test_a_teacher_reads_the_tokens_of_a_student_that_has_some_of_its_own_by_other_numbers(teacher_dir, tmp_path):
    words = tokenizer_of([*SPECIAL, *reversed(WORDS[:9])], tmp_path / "words")
    teacher = find(str(teacher_dir), "teacher.path")
    assert teacher.reading(teacher.tokenizer) is teacher
    reading = teacher.reading(words)
    seen = [
        one.encoder()(**one.tokenizer("the cat sat", return_tensors="pt")).last_hidden_state
        for one in (teacher, reading, reading.reading(words))
    ]
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[0], seen[2])
    assert reading.config.vocab_size == 14
    assert reading.identity == teacher.identity
    assert reading.reading(teacher.tokenizer) is None


def test_robertas_positions_before_the_first_token_are_no_place_for_input():
    assert longest_input(RobertaConfig(max_position_embeddings=514, pad_token_id=1)) == 512
    assert longest_input(bert().config) == 64
