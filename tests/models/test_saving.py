import pytest
import torch
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer, pipeline

from tests.conftest import bert
from tinydistill.models.heads import Head, add_head
from tinydistill.models.loading import load_tokenizer, save_model
from tinydistill.models.masked_lm import load_masked_lm
from tinydistill.models.observation import Observer


def test_a_saved_student_loads_without_a_missing_or_unexpected_key(tokenizer, tmp_path):
    student = bert()
    Observer(student, [0], [1])
    save_model(student, tokenizer, tmp_path / "student")
    loaded, info = AutoModel.from_pretrained(tmp_path / "student", output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    ids = tokenizer("the cat sat on the mat", return_tensors="pt")
    torch.testing.assert_close(loaded(**ids).last_hidden_state, student(**ids).last_hidden_state)
    assert (tmp_path / "student" / "vocab.txt").read_text().split()[:3] == ["[PAD]", "[UNK]", "[CLS]"]
    assert load_tokenizer(str(tmp_path / "student")).get_vocab() == tokenizer.get_vocab()


def test_a_model_that_is_saved_again_leaves_the_directories_beside_it_as_they_are(tokenizer, tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "metrics.csv").touch(mode=0o600)
    before = [one.stat().st_mode for one in sorted(tmp_path.rglob("*"))]
    save_model(bert(), tokenizer, tmp_path)
    assert [one.stat().st_mode for one in (tmp_path / "logs", tmp_path / "logs" / "metrics.csv")] == before
    assert (tmp_path / "model.safetensors").stat().st_mode & 0o777 == 0o644


def test_heads_are_saved_too(tokenizer, tmp_path):
    classifier = add_head(bert(), Head(("no", "yes")), seed=0)
    masked_lm = AutoModelForMaskedLM.from_config(bert().config)
    for name, model in (("classifier", classifier), ("masked_lm", masked_lm)):
        save_model(model, tokenizer, tmp_path / name)
        assert model.config.architectures == [type(model).__name__]
    loaded = load_masked_lm(str(tmp_path / "masked_lm"))
    for name, value in masked_lm.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)


def test_what_would_not_load_again_is_an_error(tokenizer, tmp_path):
    model = bert()
    model.stranger = torch.nn.Linear(2, 2)
    with pytest.raises(RuntimeError, match="doesn't load as it was saved"):
        save_model(model, tokenizer, tmp_path)


def test_a_saved_tokenizer_knows_the_trained_length_so_that_a_pipeline_cuts_what_has_no_position(tokenizer, tmp_path):
    save_model(add_head(bert(), Head(("no", "yes")), seed=0), tokenizer, tmp_path, max_length=16)
    known, long = tokenizer.model_max_length, " ".join(["cat"] * 200)  # the model has 64 positions
    assert AutoTokenizer.from_pretrained(tmp_path).model_max_length == 16 != known
    answer = pipeline("text-classification", str(tmp_path), truncation=True)
    cut = pipeline("text-classification", str(tmp_path))(" ".join(["cat"] * 14))
    assert answer(long)[0]["score"] == pytest.approx(cut[0]["score"])
    with pytest.raises(RuntimeError, match="must match"):  # as transformers 5 cuts nothing unless it is told to
        pipeline("text-classification", str(tmp_path))(long)


def test_a_pipeline_of_tags_cuts_at_the_trained_length_by_itself(tokenizer, tmp_path):
    head = Head(("O", "B-PET"), "AutoModelForTokenClassification")
    save_model(add_head(bert(), head, seed=0), tokenizer, tmp_path, max_length=16)
    found = pipeline("token-classification", str(tmp_path), ignore_labels=[])(" ".join(["cat"] * 200))
    assert len(found) == 14
