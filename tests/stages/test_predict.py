"""stage=predict: every row of a file with a model's answers beside it."""

import csv
import datetime
import importlib.util
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from transformers import pipeline

from tests.conftest import bert
from tests.embedders import write_embedder
from tests.stages.conftest import STATES, Cut, changed, state_rows, write_csv
from tinydistill.artifacts.provenance import record_of
from tinydistill.export import onnx_files
from tinydistill.models.heads import SEVERAL_LABELS, Head, add_head, load_with_head
from tinydistill.models.loading import load_tokenizer, save_model
from tinydistill.training import answering
from tinydistill.training.answering import Answering

TEXTS = [text for text, *_ in state_rows(30, 5)]


@pytest.fixture
def output(tmp_path) -> Path:
    return tmp_path / "outputs" / "predicted"


@pytest.fixture
def run(command, made, output):
    """stage=predict of the model of two classes, which is told of no other rows."""

    def call(**changes: str | None) -> tuple[int, str, str]:
        words = {
            "stage": "predict",
            "task": "files",
            "predict.path": str(made / "teacher"),
            "predict.max_length": "16",
            "trainer.accelerator": "cpu",
            "trainer.precision": "'32'",
            "paths.outputs": str(output.parent),
            "output_dir": str(output),
        }
        return command(changed(words, **changes))

    return call


def read_csv(file: Path, delimiter: str = ",") -> list[dict[str, str]]:
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened, delimiter=delimiter))


def read_lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def write_lines(file: Path, rows: list[dict[str, object]]) -> str:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


def test_a_csv_file_comes_back_with_answers_beside_its_own_columns(run, made, output, tmp_path):
    rows = [(f"00{n}", text, f'note "{n}", of\ntwo lines') for n, text in enumerate(TEXTS)]
    file = write_csv(tmp_path / "new.csv", rows, ("id", "message", "note"))
    code, out, err = run(predict__file=file, task__text="message")
    assert code == 0, err
    lines = read_csv(output / "predictions.csv")
    assert [(line["id"], line["message"], line["note"]) for line in lines] == rows
    answer = pipeline("text-classification", str(made / "teacher"), top_k=None)
    for line, said in zip(lines, answer(TEXTS), strict=True):
        assert line["prediction"] == said[0]["label"]
        assert {name: float(line[f"p({name})"]) for name in STATES} == pytest.approx(
            {one["label"]: one["score"] for one in said}, abs=2e-6
        )
    answers = record_of(output).result["answers"]
    assert sum(answers.values()) == 30
    assert set(answers) == set(STATES)
    assert "prediction, p(asleep), p(awake) added" in out


def test_the_rows_are_read_and_answered_a_few_at_a_time(run, output, tmp_path, monkeypatch):
    file = write_csv(tmp_path / "new.csv", [(text, "x") for text in TEXTS])
    assert run(predict__file=file)[0] == 0
    whole, seen, encode = (output / "predictions.csv").read_text(), [], answering.encode

    def counted(split, *arguments, **options):
        seen.append(len(split))
        return encode(split, *arguments, **options)

    monkeypatch.setattr(answering, "encode", counted)
    monkeypatch.setattr("tinydistill.config.build.answering.ROWS_AT_ONCE", 7)
    assert run(predict__file=file, overwrite="always")[0] == 0
    assert seen == [7, 7, 7, 7, 2]
    assert (output / "predictions.csv").read_text() == whole


@pytest.fixture
def cut_after(monkeypatch):
    """Kills a run when it has answered so many parts of seven rows; lists the rows of the parts that were begun."""
    monkeypatch.setattr("tinydistill.config.build.answering.ROWS_AT_ONCE", 7)
    part, seen = Answering.part, []

    def after(parts: int) -> list[int]:
        def counted(self, split):
            if len(seen) == parts:
                raise Cut
            seen.append(len(split))
            return part(self, split)

        seen.clear()
        monkeypatch.setattr(Answering, "part", counted)
        return seen

    return after


def texts_as(file: Path) -> str:
    """The texts in a file of a format, one of them with a line end in it and one empty."""
    texts = [*TEXTS[:27], "the cat\nsat", "", TEXTS[29]]
    if file.suffix == ".parquet":
        pq.write_table(pa.table({"text": texts, "id": range(30)}), file)
        return str(file)
    rows = list(enumerate(texts))
    if file.suffix == ".jsonl":
        return write_lines(file, [{"text": text, "id": number} for number, text in rows])
    return write_csv(file, [(text, str(number)) for number, text in rows], ("text", "id"))


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_run_that_is_cut_goes_on_behind_what_is_answered_and_ends_in_the_same_bytes(
    run, output, tmp_path, cut_after, suffix
):
    file, name = texts_as(tmp_path / f"new{suffix}"), f"predictions{suffix}"
    cut_after(9)
    assert run(predict__file=file, output_dir=str(tmp_path / "whole"))[0] == 0
    cut_after(3)
    with pytest.raises(Cut):
        run(predict__file=file)
    assert not output.exists()
    seen = cut_after(9)
    code, out, err = run(predict__file=file)
    assert code == 0, err
    assert "21 rows were answered before" in out
    assert seen == [7, 2]
    assert (output / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    whole, resumed = (record_of(made).result for made in (tmp_path / "whole", output))
    assert {**whole, "seconds": 0} == {**resumed, "seconds": 0}
    assert not list(output.parent.glob("*.unfinished"))


def test_answers_that_are_damaged_are_given_again(run, output, tmp_path, cut_after):
    file = texts_as(tmp_path / "new.csv")
    cut_after(3)
    with pytest.raises(Cut):
        run(predict__file=file)
    damaged = sorted(output.with_name("predicted.unfinished").glob("answers/*.zip"))[1]
    damaged.write_bytes(damaged.read_bytes()[:-30])
    seen = cut_after(9)
    code, out, err = run(predict__file=file)
    assert code == 0, err
    assert f"{damaged} is damaged" in out
    assert seen == [7, 7, 2]
    assert [line["id"] for line in read_csv(output / "predictions.csv")] == list(map(str, range(30)))


def test_what_was_answered_of_another_file_is_not_taken(run, output, tmp_path, cut_after):
    file = texts_as(tmp_path / "new.csv")
    cut_after(3)
    with pytest.raises(Cut):
        run(predict__file=file)
    write_csv(tmp_path / "new.csv", [("the dog", "0")], ("text", "id"))
    cut_after(9)
    code, _, err = run(predict__file=file)
    assert code == 2
    assert "is an unfinished run with other settings (inputs.file: other content)" in err
    code, _, err = run(predict__file=file, overwrite="true")
    assert code == 0, err
    assert len(read_csv(output / "predictions.csv")) == 1


def test_json_lines_keep_values_of_any_kind_and_rows_without_a_text_are_answered(run, output, tmp_path):
    rows = [{"text": TEXTS[0], "tags": ["a", {"b": 1}], "n": 1.5}, {"n": None, "text": ""}, {"text": None, "more": "é"}]
    code, out, err = run(predict__file=write_lines(tmp_path / "new.jsonl", rows))
    assert code == 0, err
    assert "2 of them without a text" in out
    lines = read_lines(output / "predictions.jsonl")
    assert [{name: line[name] for name in row} for line, row in zip(lines, rows, strict=True)] == rows
    assert all(line["prediction"] in STATES for line in lines)


def test_parquet_keeps_the_types_of_its_columns(run, output, tmp_path):
    day = datetime.datetime(2020, 2, 3, 4, 5, tzinfo=datetime.UTC)
    table = pa.table({"when": [day, None], "text": TEXTS[:2], "id": pa.array([7, 8], pa.int16())})
    pq.write_table(table, tmp_path / "new.parquet")
    code, _, err = run(predict__file=str(tmp_path / "new.parquet"))
    assert code == 0, err
    found = pq.read_table(output / "predictions.parquet")
    assert found.select(["when", "text", "id"]).equals(table)
    assert found.column_names[3:] == ["prediction", "p(asleep)", "p(awake)"]


def test_tabs_without_quotes_stay_so(run, output, tmp_path):
    (tmp_path / "new.tsv").write_text(f'text\tid\n{TEXTS[0]} "old"\t"1"\n')
    assert run(predict__file=str(tmp_path / "new.tsv"))[0] == 0
    header, line = (output / "predictions.tsv").read_text().splitlines()
    assert header.split("\t")[:3] == ["text", "id", "prediction"]
    assert line.startswith(f'{TEXTS[0]} "old"\t"1"\t')


def test_long_texts_are_cut_at_the_length_that_the_model_was_trained_with(run, tokenizer, output, tmp_path):
    save_model(add_head(bert(seed=3), Head(STATES), seed=0), tokenizer, tmp_path / "model", max_length=8)
    file = write_csv(tmp_path / "new.csv", [(" ".join(["cat"] * n), "x") for n in (6, 500)])
    code, out, err = run(predict__file=file, predict__path=str(tmp_path / "model"), predict__max_length=None)
    assert code == 0, err
    assert "1 longer than 8 tokens" in out
    short, long = read_csv(output / "predictions.csv")
    assert float(long["p(awake)"]) == pytest.approx(float(short["p(awake)"]), abs=2e-6)


OPENVINO = [
    pytest.mark.skipif(
        importlib.util.find_spec("openvino") is None, reason="openvino isn't installed: pip install openvino"
    ),
    pytest.mark.slow,
]


@pytest.mark.parametrize(
    "runtime", [pytest.param("onnx", marks=pytest.mark.slow), "onnx_int8", pytest.param("openvino", marks=OPENVINO)]
)
def test_an_exported_file_answers_as_pytorch_does(run, made, output, tmp_path, runtime):
    model, shipped = load_with_head(str(made / "teacher"), Head(STATES)), tmp_path / "shipped"
    tokenizer = load_tokenizer(str(made / "teacher"))
    save_model(model, tokenizer, shipped)
    onnx_files.write(model, tokenizer.model_input_names, shipped, [runtime], longest=64)
    file = write_csv(tmp_path / "new.csv", [(text, "x") for text in TEXTS])
    assert run(predict__file=file)[0] == 0
    before = read_csv(output / "predictions.csv")
    code, out, err = run(
        predict__file=file, predict__path=str(shipped), predict__runtime=runtime, output_dir=str(tmp_path / "onnx")
    )
    assert code == 0, err
    assert f"a second, {runtime})" in out
    after = read_csv(tmp_path / "onnx" / "predictions.csv")
    near = 0.1 if runtime == "onnx_int8" else 1e-4
    assert [float(line["p(awake)"]) for line in after] == pytest.approx(
        [float(line["p(awake)"]) for line in before], abs=near
    )


def test_a_number_is_a_number(run, made, output, tmp_path):
    file = write_csv(tmp_path / "new.csv", [(text, "x") for text in TEXTS])
    assert run(predict__file=file, predict__path=str(made / "regressor"))[0] == 0
    said = [float(line["prediction"]) for line in read_csv(output / "predictions.csv")]
    assert np.corrcoef(said, [number for *_, number in state_rows(30, 5)])[0, 1] > 0.8


def saved(directory: Path, tokenizer, head: Head) -> str:
    save_model(add_head(bert(seed=3, initializer_range=0.5), head, seed=0), tokenizer, directory, max_length=16)
    return str(directory)


def test_every_word_has_a_tag_in_a_list(run, tokenizer, output, tmp_path):
    head = Head(("O", "B-PET", "I-PET"), "AutoModelForTokenClassification")
    words = [{"tokens": text.split(), "id": n} for n, text in enumerate(TEXTS)]
    code, _, err = run(
        task="tag_files",
        predict__path=saved(tmp_path / "tagger", tokenizer, head),
        predict__file=write_lines(tmp_path / "new.jsonl", words),
    )
    assert code == 0, err
    lines = read_lines(output / "predictions.jsonl")
    assert [{name: line[name] for name in ("tokens", "id")} for line in lines] == words
    assert all(len(line["prediction"]) == len(line["tokens"]) for line in lines)
    assert {tag for line in lines for tag in line["prediction"]} <= set(head.labels)


def test_a_conll_file_has_its_answers_in_json_lines(run, tokenizer, output, tmp_path):
    head = Head(("O", "B-PET", "I-PET"), "AutoModelForTokenClassification")
    (tmp_path / "new.conll").write_text("the O\ncat B-PET\n\na O\n")
    model = saved(tmp_path / "tagger", tokenizer, head)
    code, _, err = run(task="tag_files", predict__path=model, predict__file=str(tmp_path / "new.conll"))
    assert code == 0, err
    assert [(line["text"], len(line["prediction"])) for line in read_lines(output / "predictions.jsonl")] == [
        ("the cat", 2),
        ("a", 1),
    ]


def test_an_answer_is_a_span_of_the_context(run, tokenizer, output, tmp_path):
    rows = [{"id": "q1", "question": "what sat", "context": "the cat sat"}]
    squad = {"data": [{"paragraphs": [{"context": "the cat sat", "qas": [{"id": "q1", "question": "what sat"}]}]}]}
    (tmp_path / "squad.json").write_text(json.dumps(squad))
    model = saved(tmp_path / "reader", tokenizer, Head(("start", "end"), "AutoModelForQuestionAnswering"))
    for file in (write_lines(tmp_path / "new.jsonl", rows), str(tmp_path / "squad.json")):
        code, _, err = run(task="question_files", predict__path=model, predict__file=file, overwrite="true")
        assert code == 0, err
        (line,) = read_lines(output / "predictions.jsonl")
        assert {name: line[name] for name in rows[0]} == rows[0]
        start, end = line["start"], line["end"]
        assert line["prediction"] == ("" if start < 0 else rows[0]["context"][start:end])


def test_several_labels_are_a_list_with_all_probabilities(run, tokenizer, output, tmp_path):
    file = write_csv(tmp_path / "new.csv", [(text, "x") for text in TEXTS])
    model = saved(tmp_path / "router", tokenizer, Head(STATES, problem_type=SEVERAL_LABELS))
    code, out, err = run(task="multilabel_files", predict__path=model, predict__file=file)
    assert code == 0, err
    assert "tinydistill_thresholds" in out
    for line in read_csv(output / "predictions.csv"):
        assert json.loads(line["prediction"]) == [name for name in STATES if float(line[f"p({name})"]) >= 0.5]


def test_an_embedding_is_a_list_of_numbers(run, tokenizer, output, tmp_path):
    write_embedder(tmp_path / "embedder", tokenizer)
    pq.write_table(pa.table({"text": TEXTS}), tmp_path / "new.parquet")
    code, _, err = run(
        task="embedding_files",
        predict__path=str(tmp_path / "embedder"),
        predict__file=str(tmp_path / "new.parquet"),
    )
    assert code == 0, err
    vectors = np.array(pq.read_table(output / "predictions.parquet").column("embedding").to_pylist())
    assert vectors.shape[0] == 30
    assert np.isfinite(vectors).all()


def test_the_same_again_returns_the_finished_result_and_another_column_is_another_result(run, tmp_path):
    file = write_csv(tmp_path / "new.csv", [(text, text[::-1]) for text in TEXTS], ("text", "other"))
    assert run(predict__file=file)[0] == 0
    assert "finished before" in run(predict__file=file, predict__batch_size="5")[1]
    code, _, err = run(predict__file=file, task__text="other")
    assert (code, "other settings" in err) == (2, True), err


BAD = [
    ({}, "predict.file is not set: name the file of texts, predict.file=FILE"),
    ({"predict.file": "{tmp}/none.csv"}, "there is no file"),
    ({"predict.file": "{tmp}/new.txt"}, "the name must end in"),
    ({"predict.file": "{tmp}/new.csv", "task.text": "body"}, "has no column 'body' but text, prediction"),
    ({"predict.file": "{tmp}/new.csv"}, "the file has a column 'prediction' already"),
    ({"predict.file": "{tmp}/cut.csv"}, "cut.csv line 3 has too few columns"),
    ({"predict.file": "{tmp}/new.csv", "predict.runtime": "onnx"}, "has no onnx/model.onnx: make it with stage=export"),
    ({"predict.file": "{tmp}/new.csv", "predict.max_length": "65"}, "predict.max_length=65 is too long"),
    ({"predict.file": "{tmp}/new.csv", "task": "tag_files"}, "the task needs a model ForTokenClassification"),
    ({"predict.file": "{tmp}/new.csv", "predict.path": None}, "predict.path is not set and stage=task has made no"),
]


@pytest.mark.parametrize(("words", "message"), BAD)
def test_what_cannot_be_answered_is_one_clear_line_and_leaves_nothing(run, output, tmp_path, words, message):
    write_csv(tmp_path / "new.csv", [("the cat", "x")], ("text", "prediction"))
    (tmp_path / "cut.csv").write_text("text,id\na,1\nb\n")
    (tmp_path / "new.txt").write_text("a\n")
    given = {name: value and value.format(tmp=tmp_path) for name, value in words.items()}
    code, _, err = run(**given)
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1
    assert not output.exists()


def test_added_columns_may_have_other_names(run, output, tmp_path):
    file = write_csv(tmp_path / "new.csv", [("the cat", "x")], ("text", "prediction"))
    assert run(predict__file=file, predict__prefix="student_")[0] == 0
    (line,) = read_csv(output / "predictions.csv")
    assert line["prediction"] == "x"
    assert line["student_prediction"] in STATES
