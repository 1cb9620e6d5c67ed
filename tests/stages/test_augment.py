"""stage=augment from the command line: a tiny masked LM on a tiny task."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, BertTokenizerFast

from tests.conftest import SPECIAL, WORDS, bert
from tests.stages.conftest import Cut, animal_rows, changed, write_csv
from tests.stages.test_ranks import launch
from tinydistill.augmentation import candidates
from tinydistill.models.loading import save_model


@pytest.fixture(scope="module")
def masked_lm(tmp_path_factory) -> Path:
    """Its vocabulary has words of several pieces: cats, dogs."""
    directory = tmp_path_factory.mktemp("models") / "mlm"
    directory.mkdir()
    (directory / "words.txt").write_text("\n".join([*SPECIAL, *WORDS, "##s"]) + "\n")
    tokenizer = BertTokenizerFast(str(directory / "words.txt"))
    torch.manual_seed(0)
    sizes = {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 4, "intermediate_size": 32}
    config = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=40, initializer_range=0.3, **sizes)
    BertForMaskedLM(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


@pytest.fixture
def augment_arguments(task_arguments, masked_lm) -> dict[str, str]:
    return {
        **task_arguments,
        "stage": "augment",
        "augmentation.model": str(masked_lm),
        "augmentation.rows": "4",
        "augmentation.candidates": "3",
    }


@pytest.fixture
def run(command, augment_arguments):
    """Runs the stage with some arguments changed; returns (exit code, stdout, stderr)."""
    return lambda **changes: command(changed(augment_arguments, **changes))


@pytest.fixture
def output(task_arguments) -> Path:
    return Path(task_arguments["output_dir"])


def bytes_of(directory: Path) -> bytes:
    return (directory / "augmented.parquet").read_bytes()


def rows_of(directory: Path) -> list[dict]:
    return pq.read_table(directory / "augmented.parquet").to_pylist()


def test_every_row_is_followed_by_the_rows_made_from_it(run, output):
    code, out, err = run()
    assert code == 0, err
    rows, originals = rows_of(output), [text for text, _ in animal_rows(160, 0)]
    assert rows[0].keys() == {"text", "source_row"}
    assert [row["source_row"] for row in rows] == sorted(row["source_row"] for row in rows)
    for source, original in enumerate(originals):
        first, *made = [row["text"] for row in rows if row["source_row"] == source]
        assert first == original
        assert len(made) <= 4
        for text in made:
            pairs = list(zip(original.split(), text.split(), strict=True))
            assert any(old != new for old, new in pairs)
            assert {new for _, new in pairs} <= set(WORDS)
    result = json.loads((output / "result.json").read_text())
    assert result["rows"] == len(rows)
    assert result["source_rows"] == 160
    assert result["rows_per_source"] == pytest.approx(len(rows) / 160)
    assert 0.4 <= result["share_replaced"] < 0.7  # rows in which nothing was replaced are not there
    assert out.count("before: ") == 3
    assert f"{len(rows):,} rows from 160" in out
    assert out.rstrip().endswith(f"artifact: {output}")


def test_rows_that_are_kept_aside_to_choose_by_are_not_augmented(run, output, tmp_path):
    rows = animal_rows(240, 0)
    code, _, err = run(task__train=write_csv(tmp_path / "more.csv", rows), augmentation__rows="1")
    assert code == 0, err
    made = rows_of(output)
    originals = [row["text"] for i, row in enumerate(made) if i == 0 or row["source_row"] != made[i - 1]["source_row"]]
    assert len(originals) == 216
    assert [text for text, _ in rows if text in set(originals)] == originals


def test_another_batch_size_gives_the_same_bytes_and_another_seed_other_rows(run, output, tmp_path):
    assert run(augmentation__batch_size="1")[0] == 0
    elsewhere = {"output_dir": str(tmp_path / "b"), "paths__outputs": str(tmp_path / "else")}
    assert run(augmentation__batch_size="64", runtime__num_workers="1", **elsewhere)[0] == 0
    assert bytes_of(tmp_path / "b") == bytes_of(output)
    assert run(seed="1", output_dir=str(tmp_path / "c"))[0] == 0
    assert bytes_of(tmp_path / "c") != bytes_of(output)


@pytest.mark.slow
def test_two_processes_make_the_same_bytes_as_one(run, augment_arguments, output, tmp_path):
    assert run()[0] == 0
    elsewhere = {"output_dir": str(tmp_path / "b"), "paths__outputs": str(tmp_path / "else")}
    options = {"trainer__devices": "2", "trainer__strategy": "ddp", "augmentation__batch_size": "1"}
    done = launch(augment_arguments, **elsewhere, **options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("artifact: ") == 1
    assert bytes_of(tmp_path / "b") == bytes_of(output)


def test_what_was_cut_goes_on_and_ends_the_same(run, output, tmp_path, monkeypatch):
    assert run()[0] == 0
    elsewhere = {"output_dir": str(tmp_path / "b"), "paths__outputs": str(tmp_path / "else")}
    write, written = candidates.Shards.write, []

    def until_cut(self, groups, answers):
        if len(written) == 2:
            raise Cut
        written.append(groups)
        write(self, groups, answers)

    with monkeypatch.context() as patch:
        patch.setattr(candidates.Shards, "write", until_cut)
        with pytest.raises(Cut):
            run(augmentation__batch_size="1", **elsewhere)
    assert not (tmp_path / "b").exists()
    code, out, _ = run(**elsewhere)
    assert code == 0
    assert "% of them answered before" in out
    assert bytes_of(tmp_path / "b") == bytes_of(output)


def test_more_rows_another_probability_and_another_seed_ask_the_model_nothing(run, output, tmp_path, monkeypatch):
    assert run()[0] == 0
    monkeypatch.setattr(candidates.CandidateFinder, "predict_step", None)
    changes = {"augmentation__rows": "8", "augmentation__probability": "0.7", "seed": "5"}
    code, out, err = run(**changes, output_dir=str(tmp_path / "b"))
    assert code == 0, err
    assert ", 100% of them answered before" in out
    assert len(rows_of(tmp_path / "b")) > len(rows_of(output))
    few, more = (
        [row["text"] for row in rows_of(place) if row["source_row"] == 7] for place in (output, tmp_path / "b")
    )
    assert few[0] == more[0]


def test_the_same_again_returns_the_finished_rows(run, output):
    first = run()[1]
    code, again, _ = run(augmentation__batch_size="5")
    assert code == 0
    assert "finished before with the same settings" in again
    assert first.splitlines()[-3:] == again.splitlines()[-3:]


def test_awkward_rows_come_through_as_they_are(run, output, tmp_path):
    long = " ".join(["red fish", "the"] * 1700)
    texts = [
        'say "old, new"',
        "the\ttree",
        "happy 😀 dog",
        "THE Cat sat",
        "the and it",
        long,
        "old cat",
        "old cat",
        "é",
    ]
    train = write_csv(tmp_path / "awkward.csv", [(text, ("cat", "dog")[i % 2]) for i, text in enumerate(texts)])
    code, _, err = run(task__train=train, augmentation__batch_size="64")
    assert code == 0, err
    found = [[row["text"] for row in rows_of(output) if row["source_row"] == i] for i in range(len(texts))]
    assert [rows[0] for rows in found] == texts
    assert [len(found[i]) for i in (4, 8)] == [1, 1]
    assert len(found[5]) == 5
    assert all(len(text.split()) == 5100 and text.split()[2::3] == ["the"] * 1700 for text in found[5])
    assert all(text.startswith(("say", *WORDS)) and text.count('"') == 2 for text in found[0])
    assert all(text[:3] == "the" and text[3] == "\t" for text in found[1])
    assert all(" 😀 " in text for text in found[2])
    assert all(text.startswith("THE ") and text.split()[1][0].isupper() for text in found[3])


def test_text_without_labels_is_augmented_from_a_table_of_its_own(run, output, tmp_path):
    table = write_csv(tmp_path / "plain.csv", [("old cat ran", "red tree"), ("", "fish")], header=("one", "two"))
    columns = {"task__text": "one", "task__text_pair": "two", "augmentation__input": table}
    code, _, err = run(**columns)
    assert code == 0, err
    rows = rows_of(output)
    assert rows[0] == {"text": "old cat ran", "text_pair": "red tree", "source_row": 0}
    firsts = [row for row in rows[1:] if row["source_row"] == 0]
    assert all((row["text"] == "old cat ran") != (row["text_pair"] == "red tree") for row in firsts)
    assert all(row["text"] == "" for row in rows if row["source_row"] == 1)


@pytest.mark.parametrize(
    ("changes", "others"),
    [
        ({"augmentation__several_pieces": "masked_lm"}, {*WORDS}),
        ({"augmentation__several_pieces": "embeddings"}, {*WORDS}),
        ({"augmentation__several_pieces": "keep"}, set()),
        ({"augmentation__word_vectors": "VECTORS"}, {"bird", "horses"}),
    ],
)
def test_words_of_several_pieces_are_replaced_as_chosen(run, output, tmp_path, changes, others):
    train = write_csv(tmp_path / "cats.csv", [("the cats", "cat"), ("the tree", "dog")])
    (tmp_path / "vectors.txt").write_text("cats 1 0\nbird 1 0.1\nhorses 1 0.2\ntree 0 1\n")
    changes = {key: value.replace("VECTORS", str(tmp_path / "vectors.txt")) for key, value in changes.items()}
    code, _, err = run(**changes, task__train=train, augmentation__rows="40", augmentation__candidates="2")
    assert code == 0, err
    made = {row["text"].removeprefix("the ") for row in rows_of(output) if row["source_row"] == 0} - {"cats"}
    assert made <= others
    assert len(made) == (2 if others else 0)
    assert len([row for row in rows_of(output) if row["source_row"] == 1]) == 3


def test_the_task_stage_trains_on_what_is_made(run, command, augment_arguments, tokenizer, output):
    assert run()[0] == 0
    path = output.parent / "finetune" / "teacher_files"
    tuned = {"finetune__teacher__epochs": "2", "finetune__teacher__learning_rate": "5e-4", "output_dir": str(path)}
    assert command(changed(augment_arguments, stage="finetune", **tuned))[0] == 0
    student = output.with_name("student")
    save_model(bert(layers=2, width=16), tokenizer, student)
    options = {"stage": "task", "intermediate__epochs": "1", "prediction__epochs": "1", "student__path": str(student)}
    trained = {"output_dir": str(output.with_name("task")), "augmentation__path": str(output / "augmented.parquet")}
    code, _, err = command(changed(augment_arguments, **options, **trained))
    assert code == 0, err
    assert json.loads((output.with_name("task") / "result.json").read_text())["rows"]["train"] == len(rows_of(output))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"augmentation__model": "/nowhere"}, "augmentation.model=/nowhere: there is no such directory"),
        ({"augmentation__model": None}, "augmentation.model is not set, stage=pretrain has made no "),
        (
            {"augmentation__word_vectors": "/nowhere.txt"},
            "there is no file /nowhere.txt: check augmentation.word_vectors",
        ),
        ({"augmentation__stop_words": "/nowhere.txt"}, "there is no file /nowhere.txt: check augmentation.stop_words"),
        ({"augmentation__input": "/nowhere.csv"}, "there is no file /nowhere.csv: check augmentation.input"),
        ({"augmentation__probability": "1.5"}, "augmentation.probability=1.5 is too large: it must be at most 1"),
        ({"augmentation__several_pieces": "guess"}, "augmentation.several_pieces=guess is not one of masked_lm"),
        ({"task__text": "sentence"}, "has no column 'sentence'"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(run, output, changes, message):
    code, _, err = run(**changes)
    assert code == 2
    assert err.startswith("tinydistill: error: ")
    assert message in err
    assert err.count("\n") == 1
    assert not output.exists()


def test_without_a_name_what_pretrain_made_of_the_teacher_is_taken(run, output, masked_lm, teacher_dir, tmp_path):
    made = tmp_path / "outputs" / "pretrain" / "teacher_docstrings"
    shutil.copytree(masked_lm, made)
    code, _, err = run(augmentation__model=None)
    assert code == 0, err
    code, out, err = run(augmentation__model=str(masked_lm))
    assert code == 0, err
    assert "finished before with the same settings" in out


def test_a_model_without_a_head_and_vectors_of_another_kind_are_refused(run, output, teacher_dir, tmp_path):
    code, _, err = run(augmentation__model=str(teacher_dir))
    assert code == 2
    assert f"augmentation.model={teacher_dir} holds no masked-LM head: make one with stage=pretrain, or name one" in err
    (tmp_path / "vectors.txt").write_text("just some words\n")
    code, _, err = run(augmentation__word_vectors=str(tmp_path / "vectors.txt"))
    assert code == 2
    assert "vectors.txt line 1 is not a word with" in err
    assert not output.exists()
    assert not list(output.parent.glob("*.unfinished"))
