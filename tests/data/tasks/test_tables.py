"""What is wrong with a user's file, as the user gets to see it."""

from pathlib import Path
from typing import Any

import pytest

from tests.data.conftest import task_complaint
from tests.data.tasks.test_files import files

CSV = "text,other,label\n"
BAD_FILES: dict[str, tuple[str, str, dict[str, Any], list[str]]] = {
    "unknown label": (
        "a.csv",
        CSV + 'a,b,no\n"two\nlines",b,no\nc,d, maybe\n',
        {"labels": ("no", "yes")},
        ["a.csv line 5: ' maybe' in column 'label' is no label", "no, yes", "name all that there are in Target.labels"],
    ),
    "number out of range": ("a.csv", CSV + "a,b,0\na,b,2\n", {"labels": ("no", "yes")}, ["line 3: '2' in column"]),
    "missing label": ("a.csv", CSV + "a,b,no\na,b,\n", {}, ["a.csv line 3: there is no label in column 'label'"]),
    "one label": ("a.csv", CSV + "a,b,no\nc,d,no\n", {}, ["all 2 rows have the label 'no'", "TaskFiles.label"]),
    "too few": ("a.csv", CSV + "a,b,no\na,b\n", {}, ["a.csv line 3 has too few columns (2 where there are 3)"]),
    "too many": (
        "a.tsv",
        "text\tlabel\na\tb\tno\n",
        {},
        ["a.tsv line 2 has too many columns", "set TaskFiles.quoting to true"],
    ),
    "empty text": ("a.csv", CSV + "a,b,no\n ,b,yes\n", {}, ["a.csv line 3: the text is empty"]),
    "empty second": ("a.csv", CSV + "a,,no\na,b,yes\n", {"pair": "other"}, ["line 2: the second text is empty"]),
    "null text": (
        "a.jsonl",
        '{"text": null, "label": 1}\n{"text": "a", "label": 0}',
        {},
        ["line 1: the text is empty"],
    ),
    "number as text": ("a.jsonl", '{"text": 1, "label": 1}\n', {}, ["line 1: column 'text' holds 1", "TaskFiles.text"]),
    "class names": (
        "a.csv",
        CSV + "a,b,1.5\nc,d,good\n",
        {"regression": True},
        ["a.csv line 3: 'good' in column 'label' is not a number", "set TaskFiles.regression to false"],
    ),
    "no finite number": ("a.csv", CSV + "a,b,1.5\nc,d,nan\n", {"regression": True}, ["line 3: 'nan'"]),
    "twice": ("a.csv", "text,label,text\na,no,b\n", {}, ["a.csv has 2 columns called 'text': rename"]),
    "twice in json": ("a.jsonl", '{"text": "a", "label": 1, "label": 2}', {}, ["line 1 has 2 columns called 'label'"]),
    "two roles": ("a.csv", CSV + "a,b,no\n", {"pair": "text"}, ["the column 'text' has two roles"]),
    "no column": (
        "a.csv",
        "body,label\na,no\n",
        {},
        ["a.csv has no column 'text' but body, label: set TaskFiles.text"],
    ),
    "no label column": (
        "a.jsonl",
        '{"text": "a"}\n',
        {},
        ["line 1 has no column 'label' but text: set TaskFiles.label"],
    ),
    "semicolons": ("a.csv", "texts;label\na;no\n", {}, ["no column 'text' but texts;label"]),
    "open quote": (
        "a.csv",
        CSV + 'a,b,no\n"a,b,no\nc,d,yes\n',
        {},
        ["a.csv line 3 has a quote", "set TaskFiles.quoting to false"],
    ),
    "no json": (
        "a.jsonl",
        '{"text": "a", "label": 1}\n{"text"\n',
        {},
        ["a.jsonl line 2 is not JSON", "TaskFiles.train"],
    ),
    "json list": ("a.json", '["a"]', {}, ["a.json line 1 is not a JSON object"]),
    "no parquet": ("a.parquet", "text", {}, ["a.parquet is no readable Parquet file", "TaskFiles.train"]),
    "packed parquet": ("a.parquet.gz", "text", {}, ["unpack the file and name it in TaskFiles.train"]),
    "no gz": ("a.csv.gz", CSV, {}, ["a.csv.gz is cut short or damaged", "TaskFiles.train"]),
    "other ending": ("a.xlsx", "PK", {}, ["check TaskFiles.train", "a.xlsx: the name must end in .csv, .tsv"]),
    "empty file": ("a.csv", "", {}, ["a.csv is empty: check TaskFiles.train"]),
    "no rows": ("a.csv", CSV, {}, ["a.csv has no rows"]),
    "NUL": ("a.tsv", "text\tlabel\na\0\t1\n", {}, ["a.tsv is not text (NUL byte in line 2)"]),
    "both": (
        "a.csv",
        CSV + "a,b,no\n",
        {"labels": ("a", "b"), "regression": True},
        ["labels are given, and regression=true", "TaskFiles.labels or TaskFiles.regression"],
    ),
    "one name": (
        "a.csv",
        CSV + "a,b,no\n",
        {"labels": ("a",)},
        ["labels=['a'] leaves nothing to predict", "set Target.labels"],
    ),
    "name twice": (
        "a.csv",
        CSV + "a,b,no\n",
        {"labels": ("a", "a")},
        ["'a' stands twice among the labels", "Target.labels"],
    ),
    "no label option": ("a.csv", CSV, {"label": None}, ["set TaskFiles.label to its name"]),
    "fraction": (
        "a.csv",
        CSV + "a,b,1\nc,d,0\n",
        {"validation_fraction": 1.5},
        ["validation_fraction=1.5", "set TaskFiles.validation_fraction"],
    ),
    "latin-1": (
        "a.csv",
        CSV + "café,b,no\n",
        {"encoding": "ascii"},
        ["line 2 is not ascii: set TaskFiles.encoding"],
    ),
    "encoding": (
        "a.csv",
        CSV,
        {"encoding": "latin-99"},
        ["'latin-99' is not an encoding of text that Python knows: set TaskFiles.encoding"],
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_one_line_that_names_file_line_value_and_argument(tmp_path: Path, case: str) -> None:
    name, content, settings, expected = BAD_FILES[case]
    (tmp_path / name).write_bytes(content.encode())
    message = task_complaint(files(tmp_path / name, **settings))
    for part in expected:
        assert part in message
