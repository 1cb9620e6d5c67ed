"""student.vocabulary=corpus: a student, solved and trained, that knows the tokens of its corpus and its rows alone."""

import json
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import BPE
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer, PreTrainedTokenizerFast

from tests.conftest import SPECIAL, WORDS, bert
from tests.stages.conftest import STATES, Cut, changed, made_task, state_rows, write_csv, write_states
from tinydistill.artifacts.provenance import record_of
from tinydistill.data.tasks.tag_files import TagFiles
from tinydistill.distillation.layer_distiller import LayerDistiller
from tinydistill.models.heads import Head, add_head
from tinydistill.models.loading import save_model

USED = WORDS[:8]  # by the rows


@pytest.fixture
def output(tmp_path) -> Path:
    return tmp_path / "outputs" / "cut"


@pytest.fixture
def corpus_file(tmp_path) -> Path:
    """Documents of the rows' words and one word more."""
    file = tmp_path / "corpus.txt"
    texts = [text for text, *_ in state_rows(300, 11)]
    file.write_text("\n\n".join(f"{text} fish {text}" for text in texts) + "\n")
    return file


@pytest.fixture
def small(arguments, corpus_file, output) -> dict[str, str]:
    """A student of 8 words of the rows and one of the corpus, of the 30 that the teacher has."""
    return {
        **arguments,
        "corpus.paths": f"[{corpus_file}]",
        "student.vocabulary": "corpus",
        "output_dir": str(output),
    }


@pytest.fixture
def run(command, small, made, output):
    """stage=task of a new student with such a vocabulary."""

    def call(**changes: str | None) -> tuple[int, str, str]:
        words = {
            **small,
            **made_task(made),
            "stage": "task",
            "intermediate.epochs": "2",
            "prediction.epochs": "3",
            "prediction.batch_size": "16",
            "intermediate.batch_size": "16",
            "distill.sample_tokens": "500",
        }
        return command(changed(words, **changes))

    return call


def vocabulary(directory: Path) -> list[str]:
    known = AutoTokenizer.from_pretrained(directory).get_vocab()
    return sorted(known, key=known.__getitem__)


def kept(*words: str) -> list[str]:
    """These words, special tokens and single characters, in the teacher's order."""
    return [token for token in [*SPECIAL, *WORDS] if token in SPECIAL or token in words or len(token) == 1]


def test_a_general_student_has_the_tokens_of_its_corpus(command, small, output):
    code, out, err = command({**small, "stage": "general"})
    assert code == 0, err
    assert vocabulary(output) == kept(*USED, "fish")
    model = AutoModel.from_pretrained(output)
    assert model.get_input_embeddings().num_embeddings == model.config.vocab_size == len(kept(*USED, "fish"))
    assert f"student.vocabulary=corpus keeps {len(kept(*USED, 'fish'))} of 29 tokens" in out
    layers = record_of(output).result["layers"]
    assert all(row["unexplained"] < row["unexplained_before"] for row in layers if row["loss"] == "hidden")


def test_a_cut_start_is_a_part_of_the_whole_one(command, small, tmp_path):
    """The closed form gives a kept token the embedding that it gives it beside all others."""
    for name in ("teacher", "corpus"):
        code, _, err = command(
            {**small, "stage": "general", "student.vocabulary": name, "general.max_steps": "0",
             "output_dir": str(tmp_path / name)}
        )  # fmt: skip
        assert code == 0, err
    whole, cut = (AutoModel.from_pretrained(tmp_path / name).state_dict() for name in ("teacher", "corpus"))
    numbers = [[*SPECIAL, *WORDS].index(token) for token in vocabulary(tmp_path / "corpus")]
    solved = [name for name in cut if "pooler" not in name]  # which is random
    for name in solved:
        same = whole[name][numbers] if "word_embeddings" in name else whole[name]
        torch.testing.assert_close(cut[name], same, rtol=1e-3, atol=1e-3)


def test_a_student_of_a_task_has_the_tokens_of_rows_and_corpus_and_says_what_the_others_become(run, output, tmp_path):
    rows = [(f"{text} bird", label, number) for text, label, number in state_rows(40, 2)]
    validation = write_states(tmp_path / "dev.csv", rows)
    code, out, err = run(task__validation=str(validation))
    assert code == 0, err
    assert vocabulary(output) == kept(*USED, "fish")
    result = record_of(output).result
    found = result["vocabulary"]
    assert (found["tokens"], found["of"]) == (len(kept(*USED, "fish")), 5 + len(WORDS))
    assert (found["splits"]["validation"]["unknown"], found["splits"]["validation"]["unknown_before"]) == (40, 0)
    assert "40 are unknown (0 before)" in out
    assert result["score"] > 0.9
    assert result["parameters"] < 10**5
    model = AutoModelForSequenceClassification.from_pretrained(output)
    inputs = AutoTokenizer.from_pretrained(output)([text for text, *_ in rows], padding=True, return_tensors="pt")
    right = model(**inputs).logits.argmax(-1) == torch.tensor([STATES.index(label) for _, label, _ in rows])
    assert right.float().mean() == pytest.approx(result["score"])


def test_the_teacher_answers_with_its_whole_vocabulary(run, output, tmp_path):
    """Also rows with words that the student doesn't know."""
    rows = [(f"{text} bird", label, number) for text, label, number in state_rows(40, 2)]
    validation = write_states(tmp_path / "dev.csv", rows)
    assert run(task__validation=str(validation), distill__phases="none")[0] == 0
    cut = (output / "predictions" / "teacher" / "validation.tsv").read_text()
    whole = tmp_path / "whole"
    code, _, err = run(
        task__validation=str(validation), distill__phases="none", student__vocabulary="teacher", output_dir=str(whole)
    )
    assert code == 0, err
    assert (whole / "predictions" / "teacher" / "validation.tsv").read_text() == cut


@pytest.mark.slow
def test_a_run_that_was_cut_goes_on_to_the_same_student(run, output, cut, tmp_path):
    assert run()[0] == 0
    before = AutoModelForSequenceClassification.from_pretrained(output).state_dict()
    cut(LayerDistiller, 8)  # of 12 batches
    with pytest.raises(Cut):
        run(output_dir=str(tmp_path / "outputs" / "again"))
    code, out, err = run(output_dir=str(tmp_path / "outputs" / "again"))
    assert code == 0, err
    assert "going on from" in out
    after = AutoModelForSequenceClassification.from_pretrained(tmp_path / "outputs" / "again").state_dict()
    assert all(torch.equal(before[name], weight) for name, weight in after.items())


@pytest.mark.slow
def test_a_general_student_with_a_cut_vocabulary_learns_a_task_from_the_whole_teacher(
    command, small, run, output, tmp_path
):
    general = tmp_path / "general"
    assert command({**small, "stage": "general", "output_dir": str(general)})[0] == 0
    code, _, err = run(student__path=str(general), student__vocabulary=None)
    assert code == 0, err
    assert vocabulary(output) == vocabulary(general)
    assert record_of(output).result["vocabulary"]["tokens"] == len(vocabulary(general))


def test_a_student_without_distillation_has_such_a_vocabulary_too(run, output):
    code, _, err = run(stage="finetune", finetune__model="student", finetune__student__epochs="1")
    assert code == 0, err
    assert vocabulary(output) == kept(*USED, "fish")


def test_tags_are_learned_on_the_pieces_that_the_student_reads(run, tokenizer, output, tmp_path):
    head = Head(("O", "B-PET"), "AutoModelForTokenClassification")
    save_model(add_head(bert(4, 32, seed=1, initializer_range=0.2), head, seed=0), tokenizer, tmp_path / "tagger")
    lines = [
        {"tokens": text.split(), "tags": ["B-PET" if word in ("cat", "dog") else "O" for word in text.split()]}
        for text, *_ in state_rows(60, 3)
    ]
    for name, of_split in (("train", lines[:40]), ("dev", lines[40:])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in of_split))
    code, _, err = run(
        task="tag_files",
        task__train=str(tmp_path / "train.jsonl"),
        task__validation=str(tmp_path / "dev.jsonl"),
        teacher__path=str(tmp_path / "tagger"),
        distill__check_score="false",
    )
    assert code == 0, err
    texts = TagFiles(train=str(tmp_path / "train.jsonl")).train().texts
    assert vocabulary(output) == kept("fish", *USED, *(word for text in texts for word in text.split()))


def test_files_to_ship_and_answers_come_from_such_a_student(run, command, small, output, tmp_path):
    assert run(distill__phases="none")[0] == 0
    kept_words = {name: value for name, value in small.items() if name.startswith(("trainer.", "paths."))}
    file = write_csv(tmp_path / "new.csv", [(f"{text} bird", "x") for text, *_ in state_rows(10, 5)])
    told = {
        **kept_words,
        "stage": "predict",
        "task": "files",
        "predict.path": str(output),
        "predict.file": file,
        "output_dir": str(tmp_path / "said"),
    }
    code, _, err = command(told)
    assert code == 0, err
    assert len((tmp_path / "said" / "predictions.csv").read_text().splitlines()) == 11


def test_a_teacher_whose_tokenizer_is_not_wordpiece_is_one_clear_line(command, small, tmp_path):
    words = {word: number for number, word in enumerate([*SPECIAL, *WORDS])}
    special = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    other = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(BPE(words, [], unk_token="[UNK]")), **special)
    bert(4, 32, seed=1).save_pretrained(tmp_path / "bpe")
    other.save_pretrained(tmp_path / "bpe")
    for stage in ("general", "task"):
        code, _, err = command({**small, "stage": stage, "teacher.path": str(tmp_path / "bpe")})
        assert code == 2
        assert len(err.splitlines()) == 1
    code, _, err = command({**small, "stage": "general", "teacher.path": str(tmp_path / "bpe")})
    assert "can't be cut: its tokenizer is BPE, not WordPiece: take student.vocabulary=teacher" in err
