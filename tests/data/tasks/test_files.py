import gzip
import json
import lzma
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.data.conftest import task_complaint
from tinydistill.data.tasks.files import TaskFiles

ZSTD = partial(pa.Codec("zstd").compress, asbytes=True)
COMPRESS = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress, ".zst": ZSTD}


def files(train: Any, pair: str | None = None, label: str | None = "label", **settings: Any) -> TaskFiles:
    return TaskFiles(train, text_pair=pair, label=label, **settings)


ODD = ["tab\there", 'say "cheese", please', "two\nlines", "emoji 😀", "twice", "twice", "NA", "  spaces  "]


def write(path: Path, columns: dict[str, list[Any]]) -> Path:
    """Whatever the format, the same rows."""
    suffix = next(s for s in (".csv", ".tsv", ".jsonl", ".parquet") if s in path.suffixes)
    rows = list(zip(*columns.values(), strict=True))
    if suffix == ".parquet":
        pq.write_table(pa.table(columns), path)
        return path
    if suffix == ".jsonl":
        lines = [json.dumps(dict(zip(columns, row, strict=True))) for row in rows]
    elif suffix == ".tsv":
        lines = ["\t".join(map(str, row)) for row in (columns, *rows)]
    else:
        lines = [",".join('"' + str(cell).replace('"', '""') + '"' for cell in row) for row in (columns, *rows)]
    path.write_bytes(COMPRESS.get(path.suffix, bytes)(("\n".join(lines) + "\n").encode()))
    return path


@pytest.mark.parametrize(
    "name", ["a.csv", "a.csv.gz", "a.csv.xz", "a.csv.zst", "a.jsonl", "a.jsonl.gz", "a.parquet", "a.tsv", "a.tsv.zst"]
)
def test_every_format_gives_the_same_rows_in_the_same_order(tmp_path: Path, name: str) -> None:
    texts = [text.replace("\t", " ").replace("\n", " ") for text in ODD] if ".tsv" in name else ODD
    labels = ["no", "yes"] * 4
    file = write(tmp_path / name, {"id": list(range(8)), "text": texts, "other": texts[::-1], "label": labels})
    source = files(file, "other", validation=file)
    train = source.train()
    assert (train.texts, train.pairs) == (texts, texts[::-1])
    assert source.target.labels == ("no", "yes")
    assert train.labels.tolist() == [0, 1] * 4
    assert source.validation()["validation"].texts == texts
    assert source.test() == {}


@pytest.mark.parametrize(
    ("values", "labels", "classes"),
    [
        (["b", " a", "b", "c"], ("a", "b", "c"), [1, 0, 1, 2]),
        ([10, 2, 10, -1], ("-1", "2", "10"), [2, 1, 2, 0]),
        ([1.0, 0.0, 1.0, 0.0], ("0", "1"), [1, 0, 1, 0]),
        ([True, False, True, True], ("false", "true"), [1, 0, 1, 1]),
        ([1.5, 0.0, 2.0, -1e-3], (), [1.5, 0.0, 2.0, -1e-3]),
        (["1.5", "0", "2", "3"], (), [1.5, 0, 2, 3]),
    ],
    ids=str,
)
def test_labels_are_inferred_as_classes_in_a_fixed_order_or_as_numbers(
    tmp_path: Path, values: list[Any], labels: tuple[str, ...], classes: list[float]
) -> None:
    file = write(tmp_path / "a.jsonl", {"text": ["p", "q", "r", "s"], "label": values})
    source = files(file, validation=file)
    assert source.target.labels == labels
    assert source.train().labels.tolist() == pytest.approx(classes)


def test_a_given_list_of_labels_keeps_its_order_and_numbers_stand_for_its_names(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", {"text": ["p", "q", "r"], "label": ["good", "0", "bad"]})
    assert files(file, validation=file, labels=("good", "bad")).train().labels.tolist() == [0, 0, 1]
    numbers = write(tmp_path / "b.csv", {"text": ["p", "q"], "label": [2, 1]})
    assert files(numbers, validation=numbers, labels=[1, 2]).train().labels.tolist() == [1, 0]
    assert files(numbers, validation=numbers, regression=True).train().labels.tolist() == [2.0, 1.0]


def test_a_test_file_may_have_labels_or_none(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", {"text": ["p", "q"], "label": ["x", "y"]})
    bare = write(tmp_path / "test.csv", {"text": ["p", "q", "p"]})
    assert files(file, validation=file, test=file).test()["test"].labels.tolist() == [0, 1]
    assert files(file, validation=file, test=bare).test()["test"].labels is None


def test_validation_is_cut_off_by_class_without_sharing_texts_and_in_no_dependence_on_order(tmp_path: Path) -> None:
    texts = [f"text {number % 150}" for number in range(200)]  # 50 come twice
    labels = ["rare" if number % 150 < 15 else "common" for number in range(200)]
    source = files(write(tmp_path / "a.csv", {"text": texts, "label": labels}), validation_fraction=0.2)
    train, validation = source.train(), source.validation()["validation"]
    assert len(train) + len(validation) == 200
    assert not set(train.texts) & set(validation.texts)
    shares = np.bincount(validation.labels) / np.bincount([*train.labels, *validation.labels])
    assert np.all((shares > 0.15) & (shares < 0.3))
    assert train.texts == [text for text in texts if text in set(train.texts)]

    turned = files(write(tmp_path / "b.csv", {"text": texts[::-1], "label": labels[::-1]}), validation_fraction=0.2)
    assert sorted(turned.validation()["validation"].texts) == sorted(validation.texts)
    other = files(tmp_path / "a.csv", validation_fraction=0.2, split_seed=1)
    assert set(other.validation()["validation"].texts) != set(validation.texts)
    assert source.identity() == files(tmp_path / "a.csv", validation_fraction=0.2).identity() != other.identity()


def test_missing_files_are_named_with_their_option(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", {"text": ["p", "q"], "label": ["x", "y"]})
    gone = tmp_path / "gone.csv"
    assert "set TaskFiles.train to a file" in task_complaint(files(None))
    assert f"there is no file {gone}: check TaskFiles.train" in task_complaint(files(gone))
    assert f"there is no file {gone}: check TaskFiles.validation" in task_complaint(files(file, validation=gone))
    assert f"there is no file {gone}: check TaskFiles.test" in task_complaint(files(file, validation=file, test=gone))


def test_a_validation_file_of_one_class_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", {"text": ["p", "q"], "label": ["x", "y"]})
    one = write(tmp_path / "dev.csv", {"text": ["r", "s"], "label": ["x", "x"]})
    message = task_complaint(files(file, validation=one))
    assert "dev.csv: all 2 rows have the same label" in message
    assert "set TaskFiles.validation to another file" in message


def test_a_validation_label_that_training_lacks_is_an_error(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", {"text": ["p", "q"], "label": ["x", "y"]})
    other = write(tmp_path / "dev.csv", {"text": ["r", "s"], "label": ["x", "z"]})
    assert "dev.csv line 3: 'z' in column 'label' is no label" in task_complaint(files(file, validation=other))


def test_rows_of_json_that_have_a_label_only_now_and_then_are_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", {"text": ["p", "q"], "label": ["x", "y"]})
    (tmp_path / "test.jsonl").write_text('{"text": "a", "label": "x"}\n{"text": "b"}\n')
    message = task_complaint(files(file, validation=file, test=tmp_path / "test.jsonl"))
    assert "some rows have a column 'label' and others don't" in message


def test_quoting_is_the_users_choice(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('text\tlabel\n"a\tb"\tx\nc\ty\n')
    quoted = files(tmp_path / "a.tsv", validation=tmp_path / "a.tsv", quoting=True)
    assert quoted.train().texts == ["a\tb", "c"]
    (tmp_path / "b.csv").write_text('text,label\n"oh,x\nc,y\n')
    plain = files(tmp_path / "b.csv", validation=tmp_path / "b.csv", quoting=False)
    assert plain.train().texts == ['"oh', "c"]


@pytest.mark.parametrize("kind", [pd.DataFrame, datasets.Dataset.from_dict])
def test_rows_in_memory_are_those_of_a_file(tmp_path: Path, kind: Any) -> None:
    columns = {"text": ODD, "other": ODD[::-1], "label": [1, 0] * 4}
    given, read = files(kind(columns), "other"), files(write(tmp_path / "a.jsonl", columns), "other")
    assert given.identity() == read.identity()
    assert given.target == read.target
    test = files(kind(columns), "other", test=kind({"text": ODD, "other": ODD})).test()["test"]
    assert (test.texts, test.labels) == (ODD, None)


def test_classes_that_a_dataset_names_are_its_labels() -> None:
    rows = datasets.Dataset.from_dict({"text": list("pqrs"), "label": [1, 0, 1, 0]})
    rows = rows.cast_column("label", datasets.ClassLabel(names=["sad", "happy"]))
    source = files(rows, validation=rows)
    assert source.target.labels == ("happy", "sad")
    assert source.train().labels.tolist() == [0, 1, 0, 1]


def test_bad_rows_in_memory_are_named_by_their_split_and_number() -> None:
    good = pd.DataFrame({"text": ["p", "q"], "label": ["x", "y"]})
    assert "test row 1: column 'text' holds 2" in task_complaint(
        files(good, validation=good, test=pd.DataFrame({"text": ["p", 2]}))
    )
    assert "train row 1: the text is empty" in task_complaint(files(good.assign(text=["p", None]), validation=good))
    assert "train has no column 'label' but text: set TaskFiles.label" in task_complaint(files(good[["text"]]))
    assert "train is a list, no file, pandas DataFrame or datasets.Dataset" in task_complaint(files([1]))
